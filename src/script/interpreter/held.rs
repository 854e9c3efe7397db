//! What a session's variables are and what they hold; and letting go of them.

use std::rc::Rc;

use rhai::{Array, Blob, Dynamic, ImmutableString, Map};

use super::Interpreter;
use crate::script::column::Column;
use crate::script::dataset::Dataset;
use crate::script::error::Failure;
use crate::script::graph::Graph;
use crate::script::model::Model;
use crate::script::slide::Picture;
use crate::script::table::Table;
use crate::script::tensor::Tensor;
use crate::script::values::Matrix;

/// One variable and what it holds.
#[derive(Clone, Debug, Default)]
pub struct Holding {
    pub name: String,
    /// As the language calls it: "Dataset", "int", "map".
    pub kind: String,
    /// "2000 x 400"; empty for what has no size.
    pub size: String,
    /// Of the object behind the variable. What two objects share counts in both.
    pub bytes: u64,
    /// Which object it is, where variables share objects.
    pub object: Option<usize>,
    /// The variable before it that holds the same object.
    pub same_as: Option<String>,
}

impl Interpreter {
    /// The session's variables in the order of their names.
    pub fn holdings(&self) -> Vec<Holding> {
        let mut all: Vec<Holding> = Vec::new();
        // The latest of a name comes first; those before it cannot be reached any more.
        for (name, _, value) in self.scope.iter_raw() {
            if !all.iter().any(|h| h.name == name) {
                all.push(self.holding(name, value));
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        for i in 0..all.len() {
            let first = all[..i].iter().find(|h| h.object.is_some() && h.object == all[i].object);
            all[i].same_as = first.map(|h| h.name.clone());
        }
        all
    }

    /// The type of an expression's value, as the language calls it. What the text defines is
    /// forgotten.
    ///
    /// # Errors
    /// The text fails.
    pub fn kind_of(&mut self, text: &str, name: &str) -> Result<String, Failure> {
        let before = self.scope.len();
        let ast = self.compile(text, name)?;
        let value = self.run(&ast, name).map_err(|e| Failure::new(&e, name, &self.world()));
        self.scope.rewind(before);
        Ok(self.kind(&value?))
    }

    fn kind(&self, value: &Dynamic) -> String {
        match self.engine.map_type_name(value.type_name()) {
            "i64" => "int",
            "f64" => "float",
            "string" => "text",
            "Fn" => "function",
            other => other,
        }
        .to_owned()
    }

    fn holding(&self, name: &str, value: &Dynamic) -> Holding {
        let value = value.flatten_clone();
        let (size, bytes, object) = weigh(&value);
        Holding { name: name.into(), kind: self.kind(&value), size, bytes, object, same_as: None }
    }
}

type Weight = (String, u64, Option<usize>);

/// Size, bytes and identity of a value.
fn weigh(value: &Dynamic) -> Weight {
    objects(value).or_else(|| plain(value)).unwrap_or_default()
}

fn objects(value: &Dynamic) -> Option<Weight> {
    let shape = |dims: &[usize]| dims.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
    let at = |place: *const ()| Some(place as usize);
    if let Some(ds) = value.read_lock::<Dataset>() {
        let d = ds.get();
        return Some((shape(&[d.n_obs(), d.n_vars()]), d.bytes_of_all(), at(ds.place())));
    }
    if let Some(m) = value.read_lock::<Matrix>() {
        let (n, g) = m.core().shape();
        return Some((shape(&[n, g]), m.core().bytes(), at(std::ptr::from_ref(m.core()).cast())));
    }
    if let Some(c) = value.read_lock::<Column>() {
        let bytes = c.values.as_materialized_series().estimated_size();
        return Some((shape(&[c.values.len()]), bytes as u64, None));
    }
    if let Some(t) = value.read_lock::<Table>() {
        let f = t.frame();
        let place = at(std::ptr::from_ref(f).cast());
        return Some((shape(&[f.height(), f.width()]), f.estimated_size() as u64, place));
    }
    if let Some(t) = value.read_lock::<Tensor>() {
        let t = t.core();
        let dims: Vec<usize> = t.size().iter().map(|&d| d as usize).collect();
        let bytes = t.numel() * t.kind().elt_size_in_bytes();
        return Some((shape(&dims), bytes as u64, at(std::ptr::from_ref(t).cast())));
    }
    if let Some(g) = value.read_lock::<Graph>() {
        let g = g.core();
        let size = format!("{} spots, {} edges", g.n_nodes(), g.n_edges());
        return Some((size, g.n_edges() as u64 * 8, at(std::ptr::from_ref(g).cast())));
    }
    if let Some(m) = value.read_lock::<Model>() {
        let model = m.get();
        let weights = model.net.vars().size();
        return Some((format!("{weights} weights"), weights as u64 * 4, at(m.place())));
    }
    if let Some(p) = value.read_lock::<Picture>() {
        let p = p.core();
        let bytes = p.width * p.height * p.channels * usize::from(p.bits().div_ceil(8));
        let place = at(std::ptr::from_ref(p).cast());
        return Some((format!("{} x {} px", p.width, p.height), bytes as u64, place));
    }
    None
}

fn plain(value: &Dynamic) -> Option<Weight> {
    let one = size_of::<Dynamic>() as u64;
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return Some((format!("{} characters", text.chars().count()), text.len() as u64, None));
    }
    if let Some(array) = value.read_lock::<Array>() {
        let inside: u64 = array.iter().map(|v| one + weigh(v).1).sum();
        return Some((array.len().to_string(), inside, None));
    }
    if let Some(map) = value.read_lock::<Map>() {
        let inside: u64 = map.iter().map(|(k, v)| k.len() as u64 + one + weigh(v).1).sum();
        let keys = if map.len() == 1 { "1 key".into() } else { format!("{} keys", map.len()) };
        return Some((keys, inside, None));
    }
    let blob = value.read_lock::<Blob>()?;
    Some((format!("{} bytes", blob.len()), blob.len() as u64, None))
}

/// Where a handle's object is, to know it again.
pub(in crate::script) fn place_of<T>(handle: &Rc<T>) -> *const () {
    Rc::as_ptr(handle).cast()
}
