//! From an exported Rust module to a module of the language.
//!
//! Every function gets what a binding should not have to repeat: panics are caught, integers are
//! taken where floats are meant, and an option map at the end may be left out.

use std::any::TypeId;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::rc::Rc;

use rhai::plugin::{FnManifestEntry, ModuleManifest};
use rhai::{
    Dynamic, Engine, FLOAT, FuncRegistration, INT, Map, Module, NativeCallContext, Position,
    RhaiFunc, Variant,
};

use super::convert::Outcome;
use super::docs;
use super::error::guard;
use crate::base::Error;

/// The functions of one part of the language: under a name of its own (`data::read`), or, with an
/// empty name, methods and properties of an object.
pub(super) struct Part {
    pub name: &'static str,
    pub doc: &'static str,
    pub manifest: &'static ModuleManifest,
}

impl Part {
    pub fn install(&self, engine: &mut Engine) {
        let module = Rc::new(module(self));
        if self.is_object() {
            engine.register_global_module(module);
        } else {
            engine.register_static_module(self.name, module);
        }
    }

    /// Objects are named as types are, with a capital; the functions that stand alone are `""`.
    pub fn is_object(&self) -> bool {
        !self.name.starts_with(|c: char| c.is_ascii_lowercase())
    }
}

fn module(part: &Part) -> Module {
    let mut module = Module::new();
    let mut taken = BTreeSet::new();
    each(part, &mut |f, types| {
        taken.insert((f.name(), types.to_vec()));
    });
    each(part, &mut |f, types| {
        let call = wrapped(part, f, types);
        FuncRegistration::new(f.name()).set_into_module_raw(&mut module, types, call.clone());
        for types in variants(types, docs::takes_options(&spelled(part.name, f.name()))) {
            if !taken.contains(&(f.name(), types.clone())) {
                FuncRegistration::new(f.name()).set_into_module_raw(
                    &mut module,
                    types,
                    call.clone(),
                );
            }
        }
    });
    module
}

fn each(part: &Part, f: &mut dyn FnMut(&'static FnManifestEntry, &[TypeId])) {
    part.manifest
        .for_each_fn(false, &mut |entry| entry.with_param_types(&mut |types| f(entry, types)));
}

/// Other ways to call a function: an integer for any float, and without the options at the end.
fn variants(types: &[TypeId], has_options: bool) -> Vec<Vec<TypeId>> {
    let mut all = vec![types.to_vec()];
    for i in floats(types) {
        let integers = all.clone().into_iter().map(|mut types| {
            types[i] = TypeId::of::<INT>();
            types
        });
        all.extend(integers);
    }
    // Of another map at the end, such as a table's columns, none at all would be a mistake.
    if has_options && types.last() == Some(&TypeId::of::<Map>()) {
        all.extend(all.clone().iter().map(|types| types[..types.len() - 1].to_vec()));
    }
    all
}

/// The options with a key that the call says by an argument of its own, for the core's structs hold
/// both.
pub(super) fn with(mut options: Map, key: &str, value: Dynamic) -> Outcome<Map> {
    if let Some(given) = options.get(key)
        && given.to_string() != value.to_string()
    {
        return Err(Error::new("reading the options")
            .expected(format!("'{key}' once"))
            .found(format!("{value} in front of them and {key}: {given} among them"))
            .advice(format!("Leave '{key}' out of the options"))
            .into());
    }
    options.insert(key.into(), value);
    Ok(options)
}

fn floats(types: &[TypeId]) -> impl Iterator<Item = usize> {
    (0..types.len()).filter(|&i| types[i] == TypeId::of::<FLOAT>())
}

fn wrapped(part: &Part, entry: &'static FnManifestEntry, types: &[TypeId]) -> RhaiFunc {
    let native = entry.func();
    let (owner, name, count) = (part.name, entry.name(), types.len());
    let floats: Vec<usize> = floats(types).collect();
    let func = Rc::new(move |context: Option<NativeCallContext<'_>>, args: &mut [&mut Dynamic]| {
        for &i in &floats {
            if let Ok(v) = args[i].as_int() {
                *args[i] = Dynamic::from_float(v as FLOAT);
            }
        }
        let mut options = Dynamic::from(Map::new());
        let mut all: Vec<&mut Dynamic> = args.iter_mut().map(|a| &mut **a).collect();
        if all.len() < count {
            all.push(&mut options);
        }
        let at = context.as_ref().map_or(Position::NONE, NativeCallContext::call_position);
        let context = context.filter(|_| native.has_context());
        let called = guard(
            || format!("calling {}", spelled(owner, name)),
            || native.call(context, &mut all),
        );
        // Rhai leaves this out for functions of modules.
        called.map_err(|mut e| {
            if e.position().is_none() {
                e.set_position(at);
            }
            e
        })
    });
    // Methods too are "pure": an object is a handle, so a call never changes the variable. As a
    // method, Rhai would write `ds.obs["a"]` back after `ds.obs["a"].mean()`.
    RhaiFunc::Pure { func, has_context: true, is_pure: true, is_volatile: true }
}

fn spelled(owner: &str, name: &str) -> String {
    let bare = name.trim_start_matches("get$").trim_start_matches("index$");
    if owner.starts_with(|c: char| c.is_ascii_lowercase()) {
        format!("{owner}::{bare}")
    } else {
        format!("{owner}.{bare}")
    }
}

/// Names a type of object and shows it by its `Display`.
pub(super) fn object<T: Variant + Clone + Display>(engine: &mut Engine, name: &str) {
    engine.register_type_with_name::<T>(name);
    for show in ["to_string", "to_debug"] {
        engine.register_fn(show, |object: &mut T| object.to_string());
    }
}
