//! Definition files: the language as Rhai's language server and editors read it.

use std::fmt::Write;
use std::rc::Rc;

use rhai::{Dynamic, Engine, FuncRegistration, Module, NativeCallContext, RhaiFunc};

use super::bind::Part;
use super::docs::outline::Function;
use super::docs::{self, Choice, Entry, Form, outline};
use super::{PARTS, STDLIB};

/// Names and texts of the files: one for what stands alone and for methods, one a module.
pub fn files() -> Vec<(String, String)> {
    let mut engine = Engine::new();
    for (i, part) in PARTS.iter().enumerate() {
        let module = Rc::new(documented(part, docs::section(i)));
        if part.is_object() {
            engine.register_global_module(module);
        } else {
            engine.register_static_module(part.name, module);
        }
    }
    let definitions = engine.definitions();
    let native = definitions.iter_files().map(|(name, text)| (name, readable(&text)));
    native.chain(STDLIB.iter().map(|(name, text)| library(name, text))).collect()
}

/// The functions of a part with their documentation; they do nothing.
fn documented(part: &Part, mut entries: impl Iterator<Item = &'static Entry>) -> Module {
    let mut module = Module::new();
    part.manifest.for_each_fn(false, &mut |f| {
        let Some(entry) = entries.next() else { return };
        // An index has no name, and the language server no way to write it.
        if matches!(entry.form, Form::Index | Form::SetIndex) {
            return;
        }
        f.with_param_types(&mut |types| {
            let nothing = Rc::new(|_: Option<NativeCallContext<'_>>, _: &mut [&mut Dynamic]| {
                Ok(Dynamic::UNIT)
            });
            FuncRegistration::new(f.name())
                .with_params_info(typed(entry))
                .with_comments([comment(entry)])
                .set_into_module_raw(
                    &mut module,
                    types,
                    RhaiFunc::Pure {
                        func: nothing,
                        has_context: false,
                        is_pure: true,
                        is_volatile: true,
                    },
                );
        });
    });
    module
}

/// "ds: Dataset" for each parameter, the object of a method among them, and what it gives.
fn typed(e: &Entry) -> Vec<String> {
    let object = matches!(e.form, Form::Method | Form::Property);
    let object = object.then(|| format!("{}: {}", e.owner.to_lowercase(), e.owner));
    let params = e.params.iter().map(|(name, kind)| format!("{name}: {}", written(kind)));
    let result = if e.result.is_empty() { "()".to_owned() } else { written(&e.result).to_owned() };
    object.into_iter().chain(params).chain([result]).collect()
}

/// A type as definition files write it: as the language calls it, and `?` for any.
fn written(kind: &str) -> &str {
    if kind == "any" { "?" } else { kind }
}

fn comment(e: &Entry) -> String {
    let mut doc = format!("`{}`\n\n{}", e.signature, e.doc);
    if !e.options.is_empty() {
        doc += "\n\n| option | type | default | |\n|---|---|---|---|";
    }
    for Choice { key, kind, default, doc: about } in &e.options {
        write!(doc, "\n| `{key}` | {kind} | {default} | {about} |").ok();
    }
    commented(&doc)
}

fn commented(doc: &str) -> String {
    doc.lines().map(|l| format!("/// {l}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// What Rhai writes and its language server cannot read: indices as functions of names that are
/// none, such as `index$get$`, are left out, comments and all; the type `range=` is spelled out.
fn readable(text: &str) -> String {
    let kept = text.split("\n\n").filter(|item| {
        let code = item.lines().filter(|l| !l.trim_start().starts_with("///"));
        !code.into_iter().any(|l| l.contains('$'))
    });
    kept.collect::<Vec<_>>().join("\n\n").replace("range=", "RangeInclusive") + "\n"
}

/// A module of the standard library, as an `import` of its name finds it.
fn library(name: &str, text: &str) -> (String, String) {
    let about = commented(&super::params::summary(text));
    let mut out = format!("{about}\nmodule \"{name}\";\n");
    for Function { name, params, doc, .. } in outline::functions(text).iter().filter(|f| !f.private)
    {
        let params: Vec<String> = params.iter().map(|p| format!("{p}: ?")).collect();
        write!(out, "\n{}\nfn {name}({}) -> ?;\n", commented(doc), params.join(", ")).ok();
    }
    (format!("{name}.d.rhai"), out)
}
