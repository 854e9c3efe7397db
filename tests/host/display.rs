//! What values look like: MIME bundles, JSON, Vega-Lite.

use serde_json::Value;
use spatia::host::Session;
use spatia::script::Bundle;

use crate::common::Recorder;

pub const VEGA: &str = "application/vnd.vegalite.v5+json";

pub fn session() -> Session {
    let mut session = Session::new(Recorder::new());
    let prepared = "let ds = sim::tissue(#{ spots: 60, genes: 40, domains: 3, seed: 1 })
        let g = graph::knn(ds, #{ k: 6 })
        let model = models::gvae(ds, #{ hidden_dim: 8, latent_dim: 2, num_heads: 1, device: \"cpu\" })
        let run = train::fit(model, ds, g, #{ epochs: 3 })";
    session.cell(prepared).outcome.unwrap();
    session
}

#[track_caller]
pub fn bundle(session: &mut Session, code: &str) -> Bundle {
    session.cell(code).outcome.unwrap_or_else(|f| panic!("{code}: {}", f.message)).unwrap()
}

#[track_caller]
pub fn text(bundle: &Bundle, mime: &str) -> String {
    let content = bundle.data.get(mime).unwrap_or_else(|| panic!("no {mime}"));
    content.as_str().unwrap().to_owned()
}

#[test]
fn every_object_has_text_json_and_forms_that_do_not_fight() {
    let folder = tempfile::tempdir().unwrap();
    crate::fixtures::all(folder.path());
    let mut session = session();
    let slide = folder.path().join("slide.ome.tif").display().to_string();
    session.cell(&format!("let slide = image::open(\"{slide}\")")).outcome.unwrap();
    session
        .cell("let error = (); try { data::read(\"nowhere.h5ad\") } catch (e) { error = e }")
        .outcome
        .unwrap();
    let html = [
        "ds",
        "ds.obs",
        "ds.var",
        "ds.obsm",
        "ds.layers",
        "ds.obsp",
        "ds.uns",
        "ds.obs[\"purity\"]",
        "ds.obs[\"domain_true\"]",
        "ds.obs.table()",
        "ds.obsm[\"spatial\"]",
        "g",
        "model",
        "run",
        "slide",
    ];
    let others = [
        "ds.x",
        "slide.thumbnail(64)",
        "plot::spatial(ds, \"purity\")",
        "error",
        "#{ a: ds, b: [g] }",
        "[1, 2]",
    ];
    for code in html.iter().chain(&others) {
        let b = bundle(&mut session, code);
        assert!(b.plain().len() > 5, "{code}: {:?}", b.plain());
        assert_eq!(b.data.contains_key("text/html"), html.contains(code), "{code}");
        assert!(
            !(b.data.contains_key("text/html") && b.data.contains_key(VEGA)),
            "{code}: HTML would hide the plot"
        );
        if let Some(page) = b.data.get("text/html").and_then(Value::as_str) {
            for foreign in ["<script", "http:", "https:", "@import", "url("] {
                let page = page.replace("http://www.w3.org/", "");
                assert!(!page.contains(foreign), "{code} has {foreign}");
            }
            assert_eq!(page.matches("<div").count(), page.matches("</div>").count(), "{code}");
            assert_eq!(page.matches("<tr").count(), page.matches("</tr>").count(), "{code}");
        }
        let json = bundle(&mut session, &format!("({code}).to_json()")).plain().to_owned();
        let json: String = serde_json::from_str(&json).unwrap();
        let parsed: Value = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{code}: {e}"));
        assert!(parsed.is_object() || parsed.is_array(), "{code}: {json}");
        let forms =
            bundle(&mut session, &format!("({code}).mime_bundle().keys()")).plain().to_owned();
        for mime in b.data.keys() {
            assert!(forms.contains(mime), "{code}: {mime} not in {forms}");
        }
    }
}

#[test]
fn json_holds_the_data() {
    let mut session = session();
    let mut parsed = |code: &str| -> Value {
        let text = bundle(&mut session, &format!("{code}.to_json()")).plain().to_owned();
        serde_json::from_str(&serde_json::from_str::<String>(&text).unwrap()).unwrap()
    };
    let ds = parsed("ds");
    assert_eq!((&ds["n_obs"], &ds["n_vars"]), (&60.into(), &40.into()));
    assert_eq!(ds["obs"]["domain_true"], "categories");
    assert_eq!(parsed("ds.obs.table()")[3]["domain_true"], parsed("ds.obs[\"domain_true\"]")[3]);
    let t = parsed("ds.obsm[\"spatial\"]");
    assert_eq!((t.as_array().unwrap().len(), t[0].as_array().unwrap().len()), (60, 2));
    assert_eq!(
        parsed("tensor([[1, 2, 3], [4, 5, 6]])"),
        serde_json::json!([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    );
    let some = "ds.obs.table().with_column(\"v\", \"CASE WHEN purity < 0.6 THEN NULL ELSE 1.5 END\")[\"v\"]";
    for code in [some.to_owned(), format!("{some}.to_tensor()")] {
        let values = parsed(&code);
        let missing = values.as_array().unwrap().iter().filter(|v| v.is_null()).count();
        assert_eq!((missing, &values[0]), (3, &1.5.into()), "{code}");
    }
    assert_eq!(parsed("#{ deep: [#{ t: tensor([7]) }] }")["deep"][0]["t"][0], 7.0);
    assert_eq!(parsed("run")["history"][2]["epoch"], 3.0);
    assert_eq!(parsed("g")["n_spots"], 60);
    assert!(parsed("model")["parameters"].as_u64().unwrap() > 100);
}

#[test]
fn what_is_hostile_in_names_is_text() {
    let mut session = session();
    let code = "ds.obs[\"<script>alert(1)</script>\"] = ds.obs[\"purity\"]
        let bad = []; for i in 0..60 { bad.push(\"<img src=x onerror=alert(1)>\\u001b[31m\\n\") }
        ds.obs[\"bad\"] = bad
        ds.uns[\"<b>\"] = \"<i>\"";
    session.cell(code).outcome.unwrap();
    for code in ["ds", "ds.obs", "ds.obs.table()", "ds.obs[\"bad\"]", "ds.uns"] {
        let b = bundle(&mut session, code);
        let page = text(&b, "text/html");
        for tag in ["<script", "<img", "<i>", "<b>"] {
            assert!(!page.contains(tag), "{code} has {tag}");
        }
        assert!(!b.plain().contains('\u{1b}'), "{code}: a terminal would obey");
    }
    assert!(text(&bundle(&mut session, "ds.obs[\"bad\"]"), "text/html").contains("&lt;img"));
    let figure = bundle(&mut session, "plot::spatial(ds, \"<script>alert(1)</script>\")");
    let title = &spots(&figure.data[VEGA])["encoding"]["color"]["legend"]["title"];
    assert!(title.to_string().contains("<script>"), "Vega draws text, not HTML: {title}");
}

#[test]
fn tables_say_what_they_leave_out() {
    let mut session = session();
    let whole = bundle(&mut session, "ds.obs.table().head(20)").plain().to_owned();
    assert!(!whole.contains("more rows"), "{whole}");
    let t = bundle(&mut session, "ds.obs");
    for shown in [t.plain().to_owned(), text(&t, "text/html")] {
        assert!(shown.contains("… 45 more rows"), "{shown}");
        assert!(shown.contains("spot01") && shown.contains("spot60") && !shown.contains("spot30"));
    }
    assert!(t.plain().starts_with("obs, 60 spots x 5 columns"), "{}", t.plain());
    // Columns that have no room are named, and no line is wider than a page.
    session
        .cell("for i in 0..40 { ds.obs[\"column_\" + i] = ds.obs[\"purity\"] }")
        .outcome
        .unwrap();
    let wide = bundle(&mut session, "ds.obs");
    let most = wide.plain().lines().map(|l| l.chars().count()).max().unwrap();
    assert!(most <= 100, "{most}\n{}", wide.plain());
    assert!(wide.plain().contains("more columns: "), "{}", wide.plain());
    assert!(text(&wide, "text/html").contains("… 16 more columns: "));
}

#[test]
fn numbers_of_a_column_keep_what_matters() {
    let mut session = session();
    let mut shown = |values: &str| -> Vec<String> {
        let code = format!("let t = data::table(#{{ v: {values} }}); t");
        let text = bundle(&mut session, &code).plain().to_owned();
        text.lines().skip(4).map(|l| l.trim().to_owned()).collect()
    };
    assert_eq!(shown("[1.0, 2.0, 30.0]"), ["1.0", "2.0", "30.0"]);
    assert_eq!(shown("[0.5, 0.25, 812.125]"), ["0.50", "0.25", "812.12"]);
    assert_eq!(shown("[1e-30, 0.5]"), ["1.000e-30", "0.5"]);
    assert_eq!(shown("[1, 20, 300]"), ["1", "20", "300"]);
}

/// The layer of a Vega-Lite map that has the zoom: its spots.
fn spots(spec: &Value) -> &Value {
    let layers = spec["layer"].as_array().unwrap();
    layers.iter().find(|l| l["params"].is_array()).unwrap()
}

#[test]
fn a_map_in_vega_lite_has_equal_steps_y_downwards_and_the_values() {
    let mut session = session();
    let b = bundle(&mut session, "plot::spatial(ds, \"domain_true\", #{ title: \"tissue\" })");
    let mimes: Vec<&String> = b.data.keys().collect();
    assert_eq!(mimes, ["text/plain", "image/png", VEGA]);
    let png = image::load_from_memory(&b.png().unwrap()).unwrap();
    assert_eq!(b.metadata["image/png"]["width"], png.width() / 2, "two pixels for one of the page");
    let spec = &b.data[VEGA];
    assert_eq!(spec["title"], "tissue");
    let layer = spots(spec);
    let domain = |axis: &str| -> [f64; 2] {
        serde_json::from_value(layer["encoding"][axis]["scale"]["domain"].clone()).unwrap()
    };
    let ([x0, x1], [y0, y1]) = (domain("x"), domain("y"));
    assert!(x1 > x0 && y1 < y0, "y runs downwards");
    let per = |axis: &str, span: f64| spec[axis].as_f64().unwrap() / span;
    let (across, down) = (per("width", x1 - x0), per("height", y0 - y1));
    assert!((across / down - 1.0).abs() < 0.01, "{across} {down}");
    // One row of arrays, all of the spots in each.
    let row = &layer["data"]["values"][0];
    for field in ["x", "y", "c", "s"] {
        assert_eq!(row[field].as_array().unwrap().len(), 60, "{field}");
    }
    assert_eq!(layer["transform"][0]["flatten"], serde_json::json!(["x", "y", "c", "s"]));
    assert_eq!(
        spec["params"].as_array().unwrap().last().unwrap()["value"],
        serde_json::json!(["D1", "D2", "D3"])
    );
    let colour = &layer["encoding"]["color"]["scale"];
    assert_eq!(colour["domain"], serde_json::json!(["D1", "D2", "D3"]));
    assert_eq!(colour["range"], serde_json::json!(["#e69f00", "#56b4e9", "#009e73"]));
    let params = layer["params"].as_array().unwrap();
    assert!(
        params.iter().any(|p| p["bind"] == "scales")
            && params.iter().any(|p| p["bind"] == "legend")
    );
    assert_eq!(layer["encoding"]["tooltip"][0]["title"], "spot");
    assert_eq!(layer["encoding"]["tooltip"][1]["title"], "domain_true");
    let text = spec.to_string();
    assert!(text.contains("µm") && text.contains("60 spots"), "a scale bar and the count");
    assert!(!text.contains("NaN") && !text.contains("inf"));
}

#[test]
fn missing_values_are_grey_and_values_beyond_the_scale_are_counted() {
    let mut session = session();
    let code =
        "let t = ds.obs.table().with_column(\"v\", \"CASE WHEN purity < 0.6 THEN NULL WHEN purity = max(purity) THEN 99 ELSE 0.5 END\")
        ds.obs[\"v\"] = t[\"v\"]
        plot::spatial(ds, \"v\", #{ limits: [0.0, 1.0] })";
    let b = bundle(&mut session, code);
    let layers = b.data[VEGA]["layer"].as_array().unwrap();
    let grey = layers.iter().find(|l| l["encoding"]["color"]["datum"] == "missing (3)").unwrap();
    assert_eq!(grey["encoding"]["color"]["scale"]["range"], serde_json::json!(["#cdcdcd"]));
    assert_eq!(grey["data"]["values"][0]["x"].as_array().unwrap().len(), 3);
    let known = spots(&b.data[VEGA]);
    assert_eq!(known["data"]["values"][0]["v"].as_array().unwrap().len(), 57);
    let scale = &known["encoding"]["color"]["scale"];
    assert_eq!(
        (scale["domain"][0].as_f64(), scale["range"][0].as_str()),
        (Some(0.0), Some("#440154"))
    );
    assert_eq!(scale["domain"].as_array().unwrap().len(), scale["range"].as_array().unwrap().len());
    assert_eq!(
        known["encoding"]["color"]["legend"]["title"],
        serde_json::json!(["v", "1 above the scale"])
    );
}

#[test]
fn more_than_five_thousand_points_are_a_picture() {
    let mut session = Session::new(Recorder::new());
    let b = bundle(
        &mut session,
        "let ds = sim::tissue(#{ spots: 5200, genes: 5, domains: 3, seed: 1 })
        plot::spatial(ds, \"domain_true\")",
    );
    let mimes: Vec<&String> = b.data.keys().collect();
    assert_eq!(mimes, ["text/plain", "image/png", "image/svg+xml"]);
    let svg = text(&b, "image/svg+xml");
    assert!(svg.contains("<image") && !svg.contains("<circle cx=\"0\""), "spots are one picture");
    assert!(svg.matches("<circle").count() < 50);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.json").display().to_string();
    let said = session.cell(&format!("plot::spatial(ds, \"domain_true\").save(\"{path}\")"));
    let said = said.outcome.unwrap_err().message;
    assert!(said.contains("5200") && said.contains(".svg"), "{said}");
}

#[test]
fn a_figure_says_what_it_shows() {
    let mut session = session();
    for (code, expected) in [
        (
            "plot::spatial(ds, \"domain_true\")",
            "Figure: 60 spots by domain_true in 3 groups, 1200 px wide; ",
        ),
        (
            "plot::spatial(ds, \"purity\", #{ title: \"Purity\" })",
            "Figure \"Purity\": 60 spots by purity, coloured from ",
        ),
        ("plot::training(run)", "over epoch, 3 points, 1200 px wide"),
    ] {
        let said = bundle(&mut session, code).plain().to_owned();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_column_is_shown_as_a_table_wherever_it_comes_from() {
    let mut session = session();
    for code in [
        "ds.obs[\"purity\"]",
        "cluster::kmeans(ds.obsm[\"spatial\"], 2)",
        "ds.obs.table()[\"domain_true\"]",
    ] {
        let said = bundle(&mut session, code).plain().to_owned();
        assert!(said.starts_with("Column ") && said.contains("──"), "{said}");
    }
}

#[test]
fn figures_are_saved_as_vega_lite_and_not_as_pages() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session();
    let path = folder.path().join("map.vl.json");
    let save = |p: &std::path::Path| format!("plot::training(run).save(\"{}\")", p.display());
    session.cell(&save(&path)).outcome.unwrap();
    let spec: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(spec["$schema"].as_str().unwrap().ends_with("vega-lite/v5.json"));
    assert!(spec["vconcat"].as_array().unwrap().len() > 3);
    let refused = session.cell(&save(&folder.path().join("map.html"))).outcome.unwrap_err().message;
    assert!(refused.contains(".svg") && refused.contains(".json"), "{refused}");
}
