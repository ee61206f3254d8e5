//! The Rust side of `wit/detect.wit`, as wit-bindgen 0.61.1 expands it: checked in, so that a module is built from a third of the packages and
//! in a fraction of the time. `tests/tests/abi.rs` fails when the WIT or wit-bindgen are others than these:
//!
//! wit/detect.wit sha256:12b83790430090dac6b8730231097d14d5a0df71a2d76a77c18481de3f370ded
//!
//! To make it anew: have `guest.rs` call `wit_bindgen::generate!` (path, world "module", pub_export_macro, default_bindings_module
//! "gridwatch_sdk::guest::bindings") with wit-bindgen's feature `macros`, build for WASM with `WIT_BINDGEN_DEBUG=1`, and take what it
//! writes below its own OUT_DIR.

#[allow(dead_code, clippy::all)]
pub mod gridwatch {
    pub mod detect {
        /// Levels as in syslog: 2 critical, 3 error, 4 warning, 6 informational, 7 debug. Rate limited; control characters are
        /// removed. A critical line is what a module says last: if its call then traps, the host puts the line into the fault.
        #[allow(dead_code, async_fn_in_trait, unused_imports, clippy::all)]
        pub mod log {
            #[used]
            #[doc(hidden)]
            static __FORCE_SECTION_REF: fn() = super::super::super::__link_custom_section_describing_imports;
            use super::super::super::_rt;
            #[allow(unused_unsafe, clippy::all)]
            #[allow(async_fn_in_trait)]
            pub fn write(level: u8, message: &str) -> () {
                unsafe {
                    let vec0 = message;
                    let ptr0 = vec0.as_ptr().cast::<u8>();
                    let len0 = vec0.len();
                    #[cfg(target_arch = "wasm32")]
                    #[link(wasm_import_module = "gridwatch:detect/log@1.0.0")]
                    unsafe extern "C" {
                        #[link_name = "write"]
                        fn wit_import1(_: i32, _: *mut u8, _: usize);
                    }
                    #[cfg(not(target_arch = "wasm32"))]
                    unsafe extern "C" fn wit_import1(_: i32, _: *mut u8, _: usize) {
                        unreachable!()
                    }
                    wit_import1(_rt::as_i32(&level), ptr0.cast_mut(), len0);
                }
            }
        }
        /// Small durable state for what windows can't say. Reads see this call's writes; a failed call's writes are dropped.
        #[allow(dead_code, async_fn_in_trait, unused_imports, clippy::all)]
        pub mod kv {
            #[used]
            #[doc(hidden)]
            static __FORCE_SECTION_REF: fn() = super::super::super::__link_custom_section_describing_imports;
            use super::super::super::_rt;
            #[derive(Clone)]
            pub struct Item {
                pub key: _rt::String,
                pub value: _rt::Vec<u8>,
                /// Event time in milliseconds from which the item is gone.
                pub expires_ms: u64,
            }
            impl ::core::fmt::Debug for Item {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    f.debug_struct("Item")
                        .field("key", &self.key)
                        .field("value", &self.value)
                        .field("expires-ms", &self.expires_ms)
                        .finish()
                }
            }
            #[derive(Clone)]
            pub struct Held {
                pub value: _rt::Vec<u8>,
                pub expires_ms: u64,
            }
            impl ::core::fmt::Debug for Held {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    f.debug_struct("Held")
                        .field("value", &self.value)
                        .field("expires-ms", &self.expires_ms)
                        .finish()
                }
            }
            #[allow(unused_unsafe, clippy::all)]
            /// What is there, expired or not: a row counts as gone what expires by its own time. The host can't say it, for "now"
            /// would be the batch's. It removes what expired more than 48 hours before the newest event the module evaluated, so
            /// only a row later than that might miss something.
            #[allow(async_fn_in_trait)]
            pub fn get_many(
                keys: &[_rt::String],
            ) -> _rt::Vec<::core::option::Option<Held>> {
                unsafe {
                    #[cfg_attr(target_pointer_width = "64", repr(align(8)))]
                    #[cfg_attr(target_pointer_width = "32", repr(align(4)))]
                    struct RetArea(
                        [::core::mem::MaybeUninit<
                            u8,
                        >; 2 * ::core::mem::size_of::<*const u8>()],
                    );
                    let mut ret_area = RetArea(
                        [::core::mem::MaybeUninit::uninit(); 2
                            * ::core::mem::size_of::<*const u8>()],
                    );
                    let vec1 = keys;
                    let len1 = vec1.len();
                    let layout1 = _rt::alloc::Layout::from_size_align(
                            vec1.len() * (2 * ::core::mem::size_of::<*const u8>()),
                            ::core::mem::size_of::<*const u8>(),
                        )
                        .unwrap();
                    let (result1, _cleanup1) = wit_bindgen::rt::Cleanup::new(layout1);
                    for (i, e) in vec1.into_iter().enumerate() {
                        let base = result1
                            .add(i * (2 * ::core::mem::size_of::<*const u8>()));
                        {
                            let vec0 = e;
                            let ptr0 = vec0.as_ptr().cast::<u8>();
                            let len0 = vec0.len();
                            *base
                                .add(::core::mem::size_of::<*const u8>())
                                .cast::<usize>() = len0;
                            *base.add(0).cast::<*mut u8>() = ptr0.cast_mut();
                        }
                    }
                    let ptr2 = ret_area.0.as_mut_ptr().cast::<u8>();
                    #[cfg(target_arch = "wasm32")]
                    #[link(wasm_import_module = "gridwatch:detect/kv@1.0.0")]
                    unsafe extern "C" {
                        #[link_name = "get-many"]
                        fn wit_import3(_: *mut u8, _: usize, _: *mut u8);
                    }
                    #[cfg(not(target_arch = "wasm32"))]
                    unsafe extern "C" fn wit_import3(_: *mut u8, _: usize, _: *mut u8) {
                        unreachable!()
                    }
                    wit_import3(result1, len1, ptr2);
                    let l4 = *ptr2.add(0).cast::<*mut u8>();
                    let l5 = *ptr2
                        .add(::core::mem::size_of::<*const u8>())
                        .cast::<usize>();
                    let base11 = l4;
                    let len11 = l5;
                    let mut result11 = _rt::Vec::with_capacity(len11);
                    for i in 0..len11 {
                        let base = base11
                            .add(i * (16 + 2 * ::core::mem::size_of::<*const u8>()));
                        let e11 = {
                            let l6 = i32::from(*base.add(0).cast::<u8>());
                            match l6 {
                                0 => None,
                                1 => {
                                    let e = {
                                        let l7 = *base.add(8).cast::<*mut u8>();
                                        let l8 = *base
                                            .add(8 + 1 * ::core::mem::size_of::<*const u8>())
                                            .cast::<usize>();
                                        let len9 = l8;
                                        let l10 = *base
                                            .add(8 + 2 * ::core::mem::size_of::<*const u8>())
                                            .cast::<i64>();
                                        Held {
                                            value: <_ as From<
                                                _rt::Vec<_>,
                                            >>::from(_rt::Vec::from_raw_parts(l7.cast(), len9, len9)),
                                            expires_ms: l10 as u64,
                                        }
                                    };
                                    Some(e)
                                }
                                _ => _rt::invalid_enum_discriminant(),
                            }
                        };
                        result11.push(e11);
                    }
                    _rt::cabi_dealloc(
                        base11,
                        len11 * (16 + 2 * ::core::mem::size_of::<*const u8>()),
                        8,
                    );
                    let result12 = result11;
                    result12
                }
            }
            #[allow(unused_unsafe, clippy::all)]
            /// The error is a code: 1 over the module's quota, 2 key or value too long, 3 not granted.
            #[allow(async_fn_in_trait)]
            pub fn set_many(items: &[Item]) -> ::core::result::Result<(), u32> {
                unsafe {
                    #[repr(align(4))]
                    struct RetArea([::core::mem::MaybeUninit<u8>; 8]);
                    let mut ret_area = RetArea([::core::mem::MaybeUninit::uninit(); 8]);
                    let vec3 = items;
                    let len3 = vec3.len();
                    let layout3 = _rt::alloc::Layout::from_size_align(
                            vec3.len() * (8 + 4 * ::core::mem::size_of::<*const u8>()),
                            8,
                        )
                        .unwrap();
                    let (result3, _cleanup3) = wit_bindgen::rt::Cleanup::new(layout3);
                    for (i, e) in vec3.into_iter().enumerate() {
                        let base = result3
                            .add(i * (8 + 4 * ::core::mem::size_of::<*const u8>()));
                        {
                            let Item {
                                key: key0,
                                value: value0,
                                expires_ms: expires_ms0,
                            } = e;
                            let vec1 = key0;
                            let ptr1 = vec1.as_ptr().cast::<u8>();
                            let len1 = vec1.len();
                            *base
                                .add(::core::mem::size_of::<*const u8>())
                                .cast::<usize>() = len1;
                            *base.add(0).cast::<*mut u8>() = ptr1.cast_mut();
                            let vec2 = value0;
                            let ptr2 = vec2.as_ptr().cast::<u8>();
                            let len2 = vec2.len();
                            *base
                                .add(3 * ::core::mem::size_of::<*const u8>())
                                .cast::<usize>() = len2;
                            *base
                                .add(2 * ::core::mem::size_of::<*const u8>())
                                .cast::<*mut u8>() = ptr2.cast_mut();
                            *base
                                .add(4 * ::core::mem::size_of::<*const u8>())
                                .cast::<i64>() = _rt::as_i64(expires_ms0);
                        }
                    }
                    let ptr4 = ret_area.0.as_mut_ptr().cast::<u8>();
                    #[cfg(target_arch = "wasm32")]
                    #[link(wasm_import_module = "gridwatch:detect/kv@1.0.0")]
                    unsafe extern "C" {
                        #[link_name = "set-many"]
                        fn wit_import5(_: *mut u8, _: usize, _: *mut u8);
                    }
                    #[cfg(not(target_arch = "wasm32"))]
                    unsafe extern "C" fn wit_import5(_: *mut u8, _: usize, _: *mut u8) {
                        unreachable!()
                    }
                    wit_import5(result3, len3, ptr4);
                    let l6 = i32::from(*ptr4.add(0).cast::<u8>());
                    let result8 = match l6 {
                        0 => {
                            let e = ();
                            Ok(e)
                        }
                        1 => {
                            let e = {
                                let l7 = *ptr4.add(4).cast::<i32>();
                                l7 as u32
                            };
                            Err(e)
                        }
                        _ => _rt::invalid_enum_discriminant(),
                    };
                    result8
                }
            }
        }
        /// Membership in tables that the configuration names (text values, addresses and CIDR ranges).
        #[allow(dead_code, async_fn_in_trait, unused_imports, clippy::all)]
        pub mod lookup {
            #[used]
            #[doc(hidden)]
            static __FORCE_SECTION_REF: fn() = super::super::super::__link_custom_section_describing_imports;
            use super::super::super::_rt;
            #[allow(unused_unsafe, clippy::all)]
            /// `ids` are dictionary ids of this batch. Answers 1 or 0 for each; the error is a code: 1 no such table, 3 not granted.
            #[allow(async_fn_in_trait)]
            pub fn contains_many(
                table: &str,
                ids: &[u32],
            ) -> ::core::result::Result<_rt::Vec<u8>, u32> {
                unsafe {
                    #[cfg_attr(target_pointer_width = "64", repr(align(8)))]
                    #[cfg_attr(target_pointer_width = "32", repr(align(4)))]
                    struct RetArea(
                        [::core::mem::MaybeUninit<
                            u8,
                        >; 3 * ::core::mem::size_of::<*const u8>()],
                    );
                    let mut ret_area = RetArea(
                        [::core::mem::MaybeUninit::uninit(); 3
                            * ::core::mem::size_of::<*const u8>()],
                    );
                    let vec0 = table;
                    let ptr0 = vec0.as_ptr().cast::<u8>();
                    let len0 = vec0.len();
                    let vec1 = ids;
                    let ptr1 = vec1.as_ptr().cast::<u8>();
                    let len1 = vec1.len();
                    let ptr2 = ret_area.0.as_mut_ptr().cast::<u8>();
                    #[cfg(target_arch = "wasm32")]
                    #[link(wasm_import_module = "gridwatch:detect/lookup@1.0.0")]
                    unsafe extern "C" {
                        #[link_name = "contains-many"]
                        fn wit_import3(
                            _: *mut u8,
                            _: usize,
                            _: *mut u8,
                            _: usize,
                            _: *mut u8,
                        );
                    }
                    #[cfg(not(target_arch = "wasm32"))]
                    unsafe extern "C" fn wit_import3(
                        _: *mut u8,
                        _: usize,
                        _: *mut u8,
                        _: usize,
                        _: *mut u8,
                    ) {
                        unreachable!()
                    }
                    wit_import3(ptr0.cast_mut(), len0, ptr1.cast_mut(), len1, ptr2);
                    let l4 = i32::from(*ptr2.add(0).cast::<u8>());
                    let result9 = match l4 {
                        0 => {
                            let e = {
                                let l5 = *ptr2
                                    .add(::core::mem::size_of::<*const u8>())
                                    .cast::<*mut u8>();
                                let l6 = *ptr2
                                    .add(2 * ::core::mem::size_of::<*const u8>())
                                    .cast::<usize>();
                                let len7 = l6;
                                <_ as From<
                                    _rt::Vec<_>,
                                >>::from(_rt::Vec::from_raw_parts(l5.cast(), len7, len7))
                            };
                            Ok(e)
                        }
                        1 => {
                            let e = {
                                let l8 = *ptr2
                                    .add(::core::mem::size_of::<*const u8>())
                                    .cast::<i32>();
                                l8 as u32
                            };
                            Err(e)
                        }
                        _ => _rt::invalid_enum_discriminant(),
                    };
                    result9
                }
            }
        }
        #[allow(dead_code, async_fn_in_trait, unused_imports, clippy::all)]
        pub mod types {
            #[used]
            #[doc(hidden)]
            static __FORCE_SECTION_REF: fn() = super::super::super::__link_custom_section_describing_imports;
            use super::super::super::_rt;
            /// Rows in host order: only events the module subscribed to, only the columns its manifest declares.
            /// A list for each kind of column rather than for each column: every list costs the call an allocation in the guest.
            #[derive(Clone)]
            pub struct Batch {
                /// Sequence number of each row's event: strictly rising, and the only way to name an event as evidence.
                pub seqs: _rt::Vec<u64>,
                /// Event time of each row in milliseconds since 1970. Not rising: late entries come when they come.
                pub times_ms: _rt::Vec<u64>,
                /// Text fields, column by column in the order of the manifest's `fields`: with `n` rows, the texts of field `i`
                /// are `texts[i * n .. (i + 1) * n]`. Each is a dictionary id; id 0 is the empty string: absent, null and "" alike.
                pub texts: _rt::Vec<u32>,
                /// Window values, column by column in the order of the manifest's `window` list, laid out like `texts`.
                pub windows: _rt::Vec<u64>,
                /// UTF-8 heap: dictionary entry `i` is bytes `dict-offsets[i] .. dict-offsets[i + 1]`.
                pub dict_offsets: _rt::Vec<u32>,
                pub dict_bytes: _rt::Vec<u8>,
            }
            impl ::core::fmt::Debug for Batch {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    f.debug_struct("Batch")
                        .field("seqs", &self.seqs)
                        .field("times-ms", &self.times_ms)
                        .field("texts", &self.texts)
                        .field("windows", &self.windows)
                        .field("dict-offsets", &self.dict_offsets)
                        .field("dict-bytes", &self.dict_bytes)
                        .finish()
                }
            }
            #[derive(Clone)]
            pub struct Label {
                pub key: _rt::String,
                pub value: _rt::String,
            }
            impl ::core::fmt::Debug for Label {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    f.debug_struct("Label")
                        .field("key", &self.key)
                        .field("value", &self.value)
                        .finish()
                }
            }
            #[derive(Clone)]
            pub struct Finding {
                /// Row of the batch that made the rule fire.
                pub row: u32,
                /// Position in the manifest's `rule` list.
                pub rule: u32,
                /// OCSF severity_id, 1 informational to 5 critical; the host caps it at the manifest's.
                pub severity: u8,
                /// Findings of one rule with one key in one period become one alert.
                pub dedup_key: _rt::String,
                pub title: _rt::String,
                /// Sequence numbers of rows of this batch; the host joins the events, so evidence can't be made up.
                pub evidence: _rt::Vec<u64>,
                /// Windows (positions) whose contributing events are evidence too.
                pub windows: _rt::Vec<u32>,
                pub labels: _rt::Vec<Label>,
            }
            impl ::core::fmt::Debug for Finding {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    f.debug_struct("Finding")
                        .field("row", &self.row)
                        .field("rule", &self.rule)
                        .field("severity", &self.severity)
                        .field("dedup-key", &self.dedup_key)
                        .field("title", &self.title)
                        .field("evidence", &self.evidence)
                        .field("windows", &self.windows)
                        .field("labels", &self.labels)
                        .finish()
                }
            }
        }
    }
}
#[allow(dead_code, clippy::all)]
pub mod exports {
    pub mod gridwatch {
        pub mod detect {
            /// The one interface every module exports.
            #[allow(dead_code, async_fn_in_trait, unused_imports, clippy::all)]
            pub mod rules {
                #[used]
                #[doc(hidden)]
                static __FORCE_SECTION_REF: fn() = super::super::super::super::__link_custom_section_describing_imports;
                use super::super::super::super::_rt;
                pub type Batch = super::super::super::super::gridwatch::detect::types::Batch;
                pub type Finding = super::super::super::super::gridwatch::detect::types::Finding;
                #[doc(hidden)]
                #[allow(non_snake_case, unused_unsafe)]
                pub unsafe fn _export_configure_cabi<T_: Guest>(
                    arg0: *mut u8,
                    arg1: usize,
                ) -> *mut u8 {
                    unsafe {
                        #[cfg(target_arch = "wasm32")] _rt::run_ctors_once();
                        let result1 = {
                            let len0 = arg1;
                            let bytes0 = _rt::Vec::from_raw_parts(
                                arg0.cast(),
                                len0,
                                len0,
                            );
                            T_::configure(_rt::string_lift(bytes0))
                        };
                        let ptr2 = (&raw mut _RET_AREA.0).cast::<u8>();
                        match result1 {
                            Ok(_) => {
                                *ptr2.add(0).cast::<u8>() = (0i32) as u8;
                            }
                            Err(e) => {
                                *ptr2.add(0).cast::<u8>() = (1i32) as u8;
                                let vec4 = e;
                                let len4 = vec4.len();
                                let layout4 = _rt::alloc::Layout::from_size_align(
                                        vec4.len() * (2 * ::core::mem::size_of::<*const u8>()),
                                        ::core::mem::size_of::<*const u8>(),
                                    )
                                    .unwrap();
                                let (result4, _cleanup4) = wit_bindgen::rt::Cleanup::new(
                                    layout4,
                                );
                                if let Some(cleanup) = _cleanup4 {
                                    cleanup.forget();
                                }
                                for (i, e) in vec4.into_iter().enumerate() {
                                    let base = result4
                                        .add(i * (2 * ::core::mem::size_of::<*const u8>()));
                                    {
                                        let vec3 = (e.into_bytes()).into_boxed_slice();
                                        let ptr3 = vec3.as_ptr().cast::<u8>();
                                        let len3 = vec3.len();
                                        ::core::mem::forget(vec3);
                                        *base
                                            .add(::core::mem::size_of::<*const u8>())
                                            .cast::<usize>() = len3;
                                        *base.add(0).cast::<*mut u8>() = ptr3.cast_mut();
                                    }
                                }
                                *ptr2
                                    .add(2 * ::core::mem::size_of::<*const u8>())
                                    .cast::<usize>() = len4;
                                *ptr2
                                    .add(::core::mem::size_of::<*const u8>())
                                    .cast::<*mut u8>() = result4;
                            }
                        };
                        ptr2
                    }
                }
                #[doc(hidden)]
                #[allow(non_snake_case)]
                pub unsafe fn __post_return_configure<T_: Guest>(arg0: *mut u8) {
                    unsafe {
                        let l0 = i32::from(*arg0.add(0).cast::<u8>());
                        match l0 {
                            0 => {}
                            _ => {
                                let l1 = *arg0
                                    .add(::core::mem::size_of::<*const u8>())
                                    .cast::<*mut u8>();
                                let l2 = *arg0
                                    .add(2 * ::core::mem::size_of::<*const u8>())
                                    .cast::<usize>();
                                let base5 = l1;
                                let len5 = l2;
                                for i in 0..len5 {
                                    let base = base5
                                        .add(i * (2 * ::core::mem::size_of::<*const u8>()));
                                    {
                                        let l3 = *base.add(0).cast::<*mut u8>();
                                        let l4 = *base
                                            .add(::core::mem::size_of::<*const u8>())
                                            .cast::<usize>();
                                        _rt::cabi_dealloc(l3, l4, 1);
                                    }
                                }
                                _rt::cabi_dealloc(
                                    base5,
                                    len5 * (2 * ::core::mem::size_of::<*const u8>()),
                                    ::core::mem::size_of::<*const u8>(),
                                );
                            }
                        }
                    }
                }
                #[doc(hidden)]
                #[allow(non_snake_case, unused_unsafe)]
                pub unsafe fn _export_evaluate_cabi<T_: Guest>(
                    arg0: *mut u8,
                    arg1: usize,
                    arg2: *mut u8,
                    arg3: usize,
                    arg4: *mut u8,
                    arg5: usize,
                    arg6: *mut u8,
                    arg7: usize,
                    arg8: *mut u8,
                    arg9: usize,
                    arg10: *mut u8,
                    arg11: usize,
                ) -> *mut u8 {
                    unsafe {
                        #[cfg(target_arch = "wasm32")] _rt::run_ctors_once();
                        let result6 = {
                            let len0 = arg1;
                            let len1 = arg3;
                            let len2 = arg5;
                            let len3 = arg7;
                            let len4 = arg9;
                            let len5 = arg11;
                            T_::evaluate(super::super::super::super::gridwatch::detect::types::Batch {
                                seqs: <_ as From<
                                    _rt::Vec<_>,
                                >>::from(_rt::Vec::from_raw_parts(arg0.cast(), len0, len0)),
                                times_ms: <_ as From<
                                    _rt::Vec<_>,
                                >>::from(_rt::Vec::from_raw_parts(arg2.cast(), len1, len1)),
                                texts: <_ as From<
                                    _rt::Vec<_>,
                                >>::from(_rt::Vec::from_raw_parts(arg4.cast(), len2, len2)),
                                windows: <_ as From<
                                    _rt::Vec<_>,
                                >>::from(_rt::Vec::from_raw_parts(arg6.cast(), len3, len3)),
                                dict_offsets: <_ as From<
                                    _rt::Vec<_>,
                                >>::from(_rt::Vec::from_raw_parts(arg8.cast(), len4, len4)),
                                dict_bytes: <_ as From<
                                    _rt::Vec<_>,
                                >>::from(_rt::Vec::from_raw_parts(arg10.cast(), len5, len5)),
                            })
                        };
                        let ptr7 = (&raw mut _RET_AREA.0).cast::<u8>();
                        match result6 {
                            Ok(e) => {
                                *ptr7.add(0).cast::<u8>() = (0i32) as u8;
                                let vec17 = e;
                                let len17 = vec17.len();
                                let layout17 = _rt::alloc::Layout::from_size_align(
                                        vec17.len()
                                            * (8 + 11 * ::core::mem::size_of::<*const u8>()),
                                        ::core::mem::size_of::<*const u8>(),
                                    )
                                    .unwrap();
                                let (result17, _cleanup17) = wit_bindgen::rt::Cleanup::new(
                                    layout17,
                                );
                                if let Some(cleanup) = _cleanup17 {
                                    cleanup.forget();
                                }
                                for (i, e) in vec17.into_iter().enumerate() {
                                    let base = result17
                                        .add(i * (8 + 11 * ::core::mem::size_of::<*const u8>()));
                                    {
                                        let super::super::super::super::gridwatch::detect::types::Finding {
                                            row: row8,
                                            rule: rule8,
                                            severity: severity8,
                                            dedup_key: dedup_key8,
                                            title: title8,
                                            evidence: evidence8,
                                            windows: windows8,
                                            labels: labels8,
                                        } = e;
                                        *base.add(0).cast::<i32>() = _rt::as_i32(row8);
                                        *base.add(4).cast::<i32>() = _rt::as_i32(rule8);
                                        *base.add(8).cast::<u8>() = (_rt::as_i32(severity8)) as u8;
                                        let vec9 = (dedup_key8.into_bytes()).into_boxed_slice();
                                        let ptr9 = vec9.as_ptr().cast::<u8>();
                                        let len9 = vec9.len();
                                        ::core::mem::forget(vec9);
                                        *base
                                            .add(8 + 2 * ::core::mem::size_of::<*const u8>())
                                            .cast::<usize>() = len9;
                                        *base
                                            .add(8 + 1 * ::core::mem::size_of::<*const u8>())
                                            .cast::<*mut u8>() = ptr9.cast_mut();
                                        let vec10 = (title8.into_bytes()).into_boxed_slice();
                                        let ptr10 = vec10.as_ptr().cast::<u8>();
                                        let len10 = vec10.len();
                                        ::core::mem::forget(vec10);
                                        *base
                                            .add(8 + 4 * ::core::mem::size_of::<*const u8>())
                                            .cast::<usize>() = len10;
                                        *base
                                            .add(8 + 3 * ::core::mem::size_of::<*const u8>())
                                            .cast::<*mut u8>() = ptr10.cast_mut();
                                        let vec11 = <_ as Into<_rt::Vec<_>>>::into(evidence8)
                                            .into_boxed_slice();
                                        let ptr11 = vec11.as_ptr().cast::<u8>();
                                        let len11 = vec11.len();
                                        ::core::mem::forget(vec11);
                                        *base
                                            .add(8 + 6 * ::core::mem::size_of::<*const u8>())
                                            .cast::<usize>() = len11;
                                        *base
                                            .add(8 + 5 * ::core::mem::size_of::<*const u8>())
                                            .cast::<*mut u8>() = ptr11.cast_mut();
                                        let vec12 = <_ as Into<_rt::Vec<_>>>::into(windows8)
                                            .into_boxed_slice();
                                        let ptr12 = vec12.as_ptr().cast::<u8>();
                                        let len12 = vec12.len();
                                        ::core::mem::forget(vec12);
                                        *base
                                            .add(8 + 8 * ::core::mem::size_of::<*const u8>())
                                            .cast::<usize>() = len12;
                                        *base
                                            .add(8 + 7 * ::core::mem::size_of::<*const u8>())
                                            .cast::<*mut u8>() = ptr12.cast_mut();
                                        let vec16 = labels8;
                                        let len16 = vec16.len();
                                        let layout16 = _rt::alloc::Layout::from_size_align(
                                                vec16.len() * (4 * ::core::mem::size_of::<*const u8>()),
                                                ::core::mem::size_of::<*const u8>(),
                                            )
                                            .unwrap();
                                        let (result16, _cleanup16) = wit_bindgen::rt::Cleanup::new(
                                            layout16,
                                        );
                                        if let Some(cleanup) = _cleanup16 {
                                            cleanup.forget();
                                        }
                                        for (i, e) in vec16.into_iter().enumerate() {
                                            let base = result16
                                                .add(i * (4 * ::core::mem::size_of::<*const u8>()));
                                            {
                                                let super::super::super::super::gridwatch::detect::types::Label {
                                                    key: key13,
                                                    value: value13,
                                                } = e;
                                                let vec14 = (key13.into_bytes()).into_boxed_slice();
                                                let ptr14 = vec14.as_ptr().cast::<u8>();
                                                let len14 = vec14.len();
                                                ::core::mem::forget(vec14);
                                                *base
                                                    .add(::core::mem::size_of::<*const u8>())
                                                    .cast::<usize>() = len14;
                                                *base.add(0).cast::<*mut u8>() = ptr14.cast_mut();
                                                let vec15 = (value13.into_bytes()).into_boxed_slice();
                                                let ptr15 = vec15.as_ptr().cast::<u8>();
                                                let len15 = vec15.len();
                                                ::core::mem::forget(vec15);
                                                *base
                                                    .add(3 * ::core::mem::size_of::<*const u8>())
                                                    .cast::<usize>() = len15;
                                                *base
                                                    .add(2 * ::core::mem::size_of::<*const u8>())
                                                    .cast::<*mut u8>() = ptr15.cast_mut();
                                            }
                                        }
                                        *base
                                            .add(8 + 10 * ::core::mem::size_of::<*const u8>())
                                            .cast::<usize>() = len16;
                                        *base
                                            .add(8 + 9 * ::core::mem::size_of::<*const u8>())
                                            .cast::<*mut u8>() = result16;
                                    }
                                }
                                *ptr7
                                    .add(2 * ::core::mem::size_of::<*const u8>())
                                    .cast::<usize>() = len17;
                                *ptr7
                                    .add(::core::mem::size_of::<*const u8>())
                                    .cast::<*mut u8>() = result17;
                            }
                            Err(e) => {
                                *ptr7.add(0).cast::<u8>() = (1i32) as u8;
                                let vec18 = (e.into_bytes()).into_boxed_slice();
                                let ptr18 = vec18.as_ptr().cast::<u8>();
                                let len18 = vec18.len();
                                ::core::mem::forget(vec18);
                                *ptr7
                                    .add(2 * ::core::mem::size_of::<*const u8>())
                                    .cast::<usize>() = len18;
                                *ptr7
                                    .add(::core::mem::size_of::<*const u8>())
                                    .cast::<*mut u8>() = ptr18.cast_mut();
                            }
                        };
                        ptr7
                    }
                }
                #[doc(hidden)]
                #[allow(non_snake_case)]
                pub unsafe fn __post_return_evaluate<T_: Guest>(arg0: *mut u8) {
                    unsafe {
                        let l0 = i32::from(*arg0.add(0).cast::<u8>());
                        match l0 {
                            0 => {
                                let l1 = *arg0
                                    .add(::core::mem::size_of::<*const u8>())
                                    .cast::<*mut u8>();
                                let l2 = *arg0
                                    .add(2 * ::core::mem::size_of::<*const u8>())
                                    .cast::<usize>();
                                let base20 = l1;
                                let len20 = l2;
                                for i in 0..len20 {
                                    let base = base20
                                        .add(i * (8 + 11 * ::core::mem::size_of::<*const u8>()));
                                    {
                                        let l3 = *base
                                            .add(8 + 1 * ::core::mem::size_of::<*const u8>())
                                            .cast::<*mut u8>();
                                        let l4 = *base
                                            .add(8 + 2 * ::core::mem::size_of::<*const u8>())
                                            .cast::<usize>();
                                        _rt::cabi_dealloc(l3, l4, 1);
                                        let l5 = *base
                                            .add(8 + 3 * ::core::mem::size_of::<*const u8>())
                                            .cast::<*mut u8>();
                                        let l6 = *base
                                            .add(8 + 4 * ::core::mem::size_of::<*const u8>())
                                            .cast::<usize>();
                                        _rt::cabi_dealloc(l5, l6, 1);
                                        let l7 = *base
                                            .add(8 + 5 * ::core::mem::size_of::<*const u8>())
                                            .cast::<*mut u8>();
                                        let l8 = *base
                                            .add(8 + 6 * ::core::mem::size_of::<*const u8>())
                                            .cast::<usize>();
                                        let base9 = l7;
                                        let len9 = l8;
                                        _rt::cabi_dealloc(base9, len9 * 8, 8);
                                        let l10 = *base
                                            .add(8 + 7 * ::core::mem::size_of::<*const u8>())
                                            .cast::<*mut u8>();
                                        let l11 = *base
                                            .add(8 + 8 * ::core::mem::size_of::<*const u8>())
                                            .cast::<usize>();
                                        let base12 = l10;
                                        let len12 = l11;
                                        _rt::cabi_dealloc(base12, len12 * 4, 4);
                                        let l13 = *base
                                            .add(8 + 9 * ::core::mem::size_of::<*const u8>())
                                            .cast::<*mut u8>();
                                        let l14 = *base
                                            .add(8 + 10 * ::core::mem::size_of::<*const u8>())
                                            .cast::<usize>();
                                        let base19 = l13;
                                        let len19 = l14;
                                        for i in 0..len19 {
                                            let base = base19
                                                .add(i * (4 * ::core::mem::size_of::<*const u8>()));
                                            {
                                                let l15 = *base.add(0).cast::<*mut u8>();
                                                let l16 = *base
                                                    .add(::core::mem::size_of::<*const u8>())
                                                    .cast::<usize>();
                                                _rt::cabi_dealloc(l15, l16, 1);
                                                let l17 = *base
                                                    .add(2 * ::core::mem::size_of::<*const u8>())
                                                    .cast::<*mut u8>();
                                                let l18 = *base
                                                    .add(3 * ::core::mem::size_of::<*const u8>())
                                                    .cast::<usize>();
                                                _rt::cabi_dealloc(l17, l18, 1);
                                            }
                                        }
                                        _rt::cabi_dealloc(
                                            base19,
                                            len19 * (4 * ::core::mem::size_of::<*const u8>()),
                                            ::core::mem::size_of::<*const u8>(),
                                        );
                                    }
                                }
                                _rt::cabi_dealloc(
                                    base20,
                                    len20 * (8 + 11 * ::core::mem::size_of::<*const u8>()),
                                    ::core::mem::size_of::<*const u8>(),
                                );
                            }
                            _ => {
                                let l21 = *arg0
                                    .add(::core::mem::size_of::<*const u8>())
                                    .cast::<*mut u8>();
                                let l22 = *arg0
                                    .add(2 * ::core::mem::size_of::<*const u8>())
                                    .cast::<usize>();
                                _rt::cabi_dealloc(l21, l22, 1);
                            }
                        }
                    }
                }
                pub trait Guest {
                    /// Called once per instance with the whole configuration, defaults filled in, as a JSON object.
                    /// Answers with every problem it sees, not just the first.
                    #[allow(async_fn_in_trait)]
                    fn configure(
                        config_json: _rt::String,
                    ) -> ::core::result::Result<(), _rt::Vec<_rt::String>>;
                    /// Must depend on nothing but its batch, its configuration and the imports below: the host may split, repeat or
                    /// replay batches, and renews instances when it likes.
                    #[allow(async_fn_in_trait)]
                    fn evaluate(
                        rows: Batch,
                    ) -> ::core::result::Result<_rt::Vec<Finding>, _rt::String>;
                }
                #[doc(hidden)]
                #[macro_export]
                macro_rules! __export_gridwatch_detect_rules_1_0_0_cabi {
                    ($ty:ident with_types_in $($path_to_types:tt)*) => {
                        const _ : () = { #[unsafe (export_name =
                        "gridwatch:detect/rules@1.0.0#configure")] unsafe extern "C" fn
                        export_configure(arg0 : * mut u8, arg1 : usize,) -> * mut u8 {
                        unsafe { $($path_to_types)*:: _export_configure_cabi::<$ty >
                        (arg0, arg1) } } #[unsafe (export_name =
                        "cabi_post_gridwatch:detect/rules@1.0.0#configure")] unsafe
                        extern "C" fn _post_return_configure(arg0 : * mut u8,) { unsafe {
                        $($path_to_types)*:: __post_return_configure::<$ty > (arg0) } }
                        #[unsafe (export_name = "gridwatch:detect/rules@1.0.0#evaluate")]
                        unsafe extern "C" fn export_evaluate(arg0 : * mut u8, arg1 :
                        usize, arg2 : * mut u8, arg3 : usize, arg4 : * mut u8, arg5 :
                        usize, arg6 : * mut u8, arg7 : usize, arg8 : * mut u8, arg9 :
                        usize, arg10 : * mut u8, arg11 : usize,) -> * mut u8 { unsafe {
                        $($path_to_types)*:: _export_evaluate_cabi::<$ty > (arg0, arg1,
                        arg2, arg3, arg4, arg5, arg6, arg7, arg8, arg9, arg10, arg11) } }
                        #[unsafe (export_name =
                        "cabi_post_gridwatch:detect/rules@1.0.0#evaluate")] unsafe extern
                        "C" fn _post_return_evaluate(arg0 : * mut u8,) { unsafe {
                        $($path_to_types)*:: __post_return_evaluate::<$ty > (arg0) } } };
                    };
                }
                #[doc(hidden)]
                pub use __export_gridwatch_detect_rules_1_0_0_cabi;
                #[cfg_attr(target_pointer_width = "64", repr(align(8)))]
                #[cfg_attr(target_pointer_width = "32", repr(align(4)))]
                struct _RetArea(
                    [::core::mem::MaybeUninit<
                        u8,
                    >; 3 * ::core::mem::size_of::<*const u8>()],
                );
                static mut _RET_AREA: _RetArea = _RetArea(
                    [::core::mem::MaybeUninit::uninit(); 3
                        * ::core::mem::size_of::<*const u8>()],
                );
            }
        }
    }
}
mod _rt {
    #![allow(dead_code, unused_imports, clippy::all)]
    pub fn as_i32<T: AsI32>(t: T) -> i32 {
        t.as_i32()
    }
    pub trait AsI32 {
        fn as_i32(self) -> i32;
    }
    impl<'a, T: Copy + AsI32> AsI32 for &'a T {
        fn as_i32(self) -> i32 {
            (*self).as_i32()
        }
    }
    impl AsI32 for i32 {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for u32 {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for i16 {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for u16 {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for i8 {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for u8 {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for char {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for usize {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    pub use alloc_crate::string::String;
    pub use alloc_crate::vec::Vec;
    pub use alloc_crate::alloc;
    pub unsafe fn invalid_enum_discriminant<T>() -> T {
        if cfg!(debug_assertions) {
            panic!("invalid enum discriminant")
        } else {
            unsafe { core::hint::unreachable_unchecked() }
        }
    }
    pub unsafe fn cabi_dealloc(ptr: *mut u8, size: usize, align: usize) {
        if size == 0 {
            return;
        }
        unsafe {
            let layout = alloc::Layout::from_size_align_unchecked(size, align);
            alloc::dealloc(ptr, layout);
        }
    }
    pub fn as_i64<T: AsI64>(t: T) -> i64 {
        t.as_i64()
    }
    pub trait AsI64 {
        fn as_i64(self) -> i64;
    }
    impl<'a, T: Copy + AsI64> AsI64 for &'a T {
        fn as_i64(self) -> i64 {
            (*self).as_i64()
        }
    }
    impl AsI64 for i64 {
        #[inline]
        fn as_i64(self) -> i64 {
            self as i64
        }
    }
    impl AsI64 for u64 {
        #[inline]
        fn as_i64(self) -> i64 {
            self as i64
        }
    }
    #[cfg(target_arch = "wasm32")]
    pub fn run_ctors_once() {
        wit_bindgen::rt::run_ctors_once();
    }
    pub unsafe fn string_lift(bytes: Vec<u8>) -> String {
        if cfg!(debug_assertions) {
            String::from_utf8(bytes).unwrap()
        } else {
            unsafe { String::from_utf8_unchecked(bytes) }
        }
    }
    extern crate alloc as alloc_crate;
}
/// Generates `#[unsafe(no_mangle)]` functions to export the specified type as
/// the root implementation of all generated traits.
///
/// For more information see the documentation of `wit_bindgen::generate!`.
///
/// ```rust
/// # macro_rules! export{ ($($t:tt)*) => (); }
/// # trait Guest {}
/// struct MyType;
///
/// impl Guest for MyType {
///     // ...
/// }
///
/// export!(MyType);
/// ```
#[allow(unused_macros)]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_module_impl {
    ($ty:ident) => {
        gridwatch_sdk::guest::bindings::export!($ty with_types_in
        gridwatch_sdk::guest::bindings);
    };
    ($ty:ident with_types_in $($path_to_types_root:tt)*) => {
        $($path_to_types_root)*::
        exports::gridwatch::detect::rules::__export_gridwatch_detect_rules_1_0_0_cabi!($ty
        with_types_in $($path_to_types_root)*:: exports::gridwatch::detect::rules); const
        _ : () = { #[cfg(target_arch = "wasm32")] #[unsafe (link_section =
        "component-type:wit-bindgen:0.61.1:gridwatch:detect@1.0.0:module:imports and exports")]
        #[doc(hidden)] #[allow(clippy::octal_escapes)] pub static
        __WIT_BINDGEN_COMPONENT_TYPE : [u8; 878] = *
        b"\
\0asm\x0d\0\x01\0\0\x19\x16wit-component-encoding\x04\0\x07\xf1\x05\x01A\x02\x01\
A\x0c\x01B\x02\x01@\x02\x05level}\x07messages\x01\0\x04\0\x05write\x01\0\x03\0\x1a\
gridwatch:detect/log@1.0.0\x05\0\x01B\x0e\x01p}\x01r\x03\x03keys\x05value\0\x0ae\
xpires-msw\x04\0\x04item\x03\0\x01\x01r\x02\x05value\0\x0aexpires-msw\x04\0\x04h\
eld\x03\0\x03\x01ps\x01k\x04\x01p\x06\x01@\x01\x04keys\x05\0\x07\x04\0\x08get-ma\
ny\x01\x08\x01p\x02\x01j\0\x01y\x01@\x01\x05items\x09\0\x0a\x04\0\x08set-many\x01\
\x0b\x03\0\x19gridwatch:detect/kv@1.0.0\x05\x01\x01B\x05\x01py\x01p}\x01j\x01\x01\
\x01y\x01@\x02\x05tables\x03ids\0\0\x02\x04\0\x0dcontains-many\x01\x03\x03\0\x1d\
gridwatch:detect/lookup@1.0.0\x05\x02\x01B\x0a\x01pw\x01py\x01p}\x01r\x06\x04seq\
s\0\x08times-ms\0\x05texts\x01\x07windows\0\x0cdict-offsets\x01\x0adict-bytes\x02\
\x04\0\x05batch\x03\0\x03\x01r\x02\x03keys\x05values\x04\0\x05label\x03\0\x05\x01\
p\x06\x01r\x08\x03rowy\x04ruley\x08severity}\x09dedup-keys\x05titles\x08evidence\
\0\x07windows\x01\x06labels\x07\x04\0\x07finding\x03\0\x08\x03\0\x1cgridwatch:de\
tect/types@1.0.0\x05\x03\x02\x03\0\x03\x05batch\x02\x03\0\x03\x07finding\x01B\x0c\
\x02\x03\x02\x01\x04\x04\0\x05batch\x03\0\0\x02\x03\x02\x01\x05\x04\0\x07finding\
\x03\0\x02\x01ps\x01j\0\x01\x04\x01@\x01\x0bconfig-jsons\0\x05\x04\0\x09configur\
e\x01\x06\x01p\x03\x01j\x01\x07\x01s\x01@\x01\x04rows\x01\0\x08\x04\0\x08evaluat\
e\x01\x09\x04\0\x1cgridwatch:detect/rules@1.0.0\x05\x06\x04\0\x1dgridwatch:detec\
t/module@1.0.0\x04\0\x0b\x0c\x01\0\x06module\x03\0\0\0G\x09producers\x01\x0cproc\
essed-by\x02\x0dwit-component\x070.258.3\x10wit-bindgen-rust\x060.61.1";
        };
    };
}
#[doc(inline)]
pub use __export_module_impl as export;
#[cfg(target_arch = "wasm32")]
#[unsafe(
    link_section = "component-type:wit-bindgen:0.61.1:gridwatch:detect@1.0.0:module-with-all-of-its-exports-removed:encoded world"
)]
#[doc(hidden)]
#[allow(clippy::octal_escapes)]
pub static __WIT_BINDGEN_COMPONENT_TYPE: [u8; 777] = *b"\
\0asm\x0d\0\x01\0\0\x19\x16wit-component-encoding\x04\0\x07\xec\x04\x01A\x02\x01\
A\x08\x01B\x02\x01@\x02\x05level}\x07messages\x01\0\x04\0\x05write\x01\0\x03\0\x1a\
gridwatch:detect/log@1.0.0\x05\0\x01B\x0e\x01p}\x01r\x03\x03keys\x05value\0\x0ae\
xpires-msw\x04\0\x04item\x03\0\x01\x01r\x02\x05value\0\x0aexpires-msw\x04\0\x04h\
eld\x03\0\x03\x01ps\x01k\x04\x01p\x06\x01@\x01\x04keys\x05\0\x07\x04\0\x08get-ma\
ny\x01\x08\x01p\x02\x01j\0\x01y\x01@\x01\x05items\x09\0\x0a\x04\0\x08set-many\x01\
\x0b\x03\0\x19gridwatch:detect/kv@1.0.0\x05\x01\x01B\x05\x01py\x01p}\x01j\x01\x01\
\x01y\x01@\x02\x05tables\x03ids\0\0\x02\x04\0\x0dcontains-many\x01\x03\x03\0\x1d\
gridwatch:detect/lookup@1.0.0\x05\x02\x01B\x0a\x01pw\x01py\x01p}\x01r\x06\x04seq\
s\0\x08times-ms\0\x05texts\x01\x07windows\0\x0cdict-offsets\x01\x0adict-bytes\x02\
\x04\0\x05batch\x03\0\x03\x01r\x02\x03keys\x05values\x04\0\x05label\x03\0\x05\x01\
p\x06\x01r\x08\x03rowy\x04ruley\x08severity}\x09dedup-keys\x05titles\x08evidence\
\0\x07windows\x01\x06labels\x07\x04\0\x07finding\x03\0\x08\x03\0\x1cgridwatch:de\
tect/types@1.0.0\x05\x03\x04\0=gridwatch:detect/module-with-all-of-its-exports-r\
emoved@1.0.0\x04\0\x0b,\x01\0&module-with-all-of-its-exports-removed\x03\0\0\0G\x09\
producers\x01\x0cprocessed-by\x02\x0dwit-component\x070.258.3\x10wit-bindgen-rus\
t\x060.61.1";
#[inline(never)]
#[doc(hidden)]
pub fn __link_custom_section_describing_imports() {
    wit_bindgen::rt::maybe_link_cabi_realloc();
}
