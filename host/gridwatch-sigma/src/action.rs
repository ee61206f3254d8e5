//! Which of Slack's actions an expression can hold for, whatever else an event says: what a rule subscribes to.

use gridwatch_manifest::Field;
use gridwatch_manifest::expression::{Expression, Fact, Facts, Matcher, Test};
use gridwatch_names::catalogue;

/// Of no event that Slack's catalogue knows.
const UNKNOWN: &str = "some_action_that_nobody_knows_yet";

/// Patterns as manifests write them; none, if it holds for no action that is known.
pub(crate) fn subscribed(expression: &Expression) -> Vec<String> {
    let known = Known::of(expression);
    if known.holds(UNKNOWN) != Some(false) {
        return vec!["*".to_owned()];
    }
    catalogue::actions().filter(|action| known.holds(action) != Some(false)).map(str::to_owned).collect()
}

/// Does a test of `action` fit any that is known?
pub(crate) fn is_known(test: &Test) -> bool {
    let expression = Expression::Field("action".into(), test.clone());
    let Ok(matcher) = Matcher::new(&expression) else { return true };
    catalogue::actions().any(|action| matcher.holds(&Action(action)))
}

/// An expression of which only what it asks of the action is known.
enum Known {
    All(Vec<Known>),
    Any(Vec<Known>),
    Not(Box<Known>),
    Action(Matcher),
    No,
}

impl Known {
    fn of(expression: &Expression) -> Self {
        match expression {
            Expression::All(parts) => Self::All(parts.iter().map(Self::of).collect()),
            Expression::Any(parts) => Self::Any(parts.iter().map(Self::of).collect()),
            Expression::Not(part) => Self::Not(Box::new(Self::of(part))),
            Expression::Field(name, test) if name == "action" && !asks_another(test) => {
                Matcher::new(expression).map_or(Self::No, Self::Action)
            }
            Expression::Field(..) | Expression::Anywhere(_) => Self::No,
        }
    }

    /// `None`: it depends on the rest of the event.
    fn holds(&self, action: &str) -> Option<bool> {
        match self {
            Self::All(parts) => all(parts.iter().map(|part| part.holds(action))),
            Self::Any(parts) => all(parts.iter().map(|part| part.holds(action).map(|holds| !holds))).map(|none| !none),
            Self::Not(part) => part.holds(action).map(|holds| !holds),
            Self::Action(matcher) => Some(matcher.holds(&Action(action))),
            Self::No => None,
        }
    }
}

/// One that is false decides; else one that isn't known.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            Some(true) => {}
            None => all = None,
        }
    }
    all
}

fn asks_another(test: &Test) -> bool {
    matches!(test, Test::Same(_) | Test::StartsWith(_) | Test::EndsWith(_) | Test::Contains(_))
}

/// An event of which nothing but the action is known.
struct Action<'a>(&'a str);

impl Facts for Action<'_> {
    fn fact(&self, _: &Field) -> Fact<'_> {
        Fact::Text(self.0.into())
    }

    fn any_text(&self, is_it: &mut dyn FnMut(&str) -> bool) -> bool {
        is_it(self.0)
    }
}
