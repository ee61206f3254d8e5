//! The floor as a program, so that it is measured as gridwatch is: `floor FILE`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("error: floor FILE");
        return ExitCode::from(2);
    };
    match gridwatch_performance::floor::read(Path::new(&file)) {
        Ok(counted) => {
            println!("{counted:?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}: {error}", Path::new(&file).display());
            ExitCode::FAILURE
        }
    }
}
