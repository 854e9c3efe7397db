// Spatia in JupyterLab, in headless Chromium: a cell, a map that Vega-Lite draws, Tab, Shift-Tab, Tab while a
// training runs, its live chart, the stop button. Prints what it measured, keeps a picture of each step.
//
//   node benches/lab.mjs SPATIA JUPYTER PICTURES     JUPYTER is an environment's folder with jupyterlab 4;
//                                                    playwright-core is found where NODE_PATH says
//
// Fails where a step does not come about in time, or where the page asks for anything outside its server.
import { spawn, spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const [spatia, jupyter, pictures] = process.argv.slice(2);
if (!pictures) { console.error("usage: node benches/lab.mjs SPATIA JUPYTER PICTURES"); process.exit(2); }
const { chromium } = createRequire(path.join(process.env.NODE_PATH ?? ".", "x.js"))("playwright-core");
fs.mkdirSync(pictures, { recursive: true });

const home = fs.mkdtempSync(path.join(os.tmpdir(), "spatia-lab-"));
const port = 18888;
const env = { ...process.env, HOME: home, JUPYTER_PATH: `${home}/prefix/share/jupyter`, XDG_STATE_HOME: `${home}/state` };
const installed = spawnSync(spatia, ["kernel", "install", "--prefix", `${home}/prefix`], { env });
if (installed.status !== 0) throw new Error(`kernel install: ${installed.stderr}`);
const cell = (source) => ({ cell_type: "code", id: Math.random().toString(36).slice(2, 10), metadata: {}, execution_count: null, outputs: [], source });
const cells = [
  "let ds = sim::tissue(#{ spots: 4000, genes: 1000, seed: 1 })\nds",
  'plot::spatial(ds, "domain_true")',
  "ds.ob",
  "graph::knn",
  "let g = models::prepare(ds)\nlet model = models::gvae(ds, #{ seed: 1, device: \"cpu\" })\nlet run = train::fit(model, ds, g, #{ epochs: 5000, checkpoints: \"run\" })",
  "ds.obs",
  'print(`epoch ${model.epoch}, ${ds.n_obs} spots`)',
];
const kernelspec = { name: "spatia", display_name: "Spatia", language: "rhai" };
fs.writeFileSync(`${home}/lab.ipynb`, JSON.stringify({ cells: cells.map(cell), metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 }));

const server = spawn(`${jupyter}/bin/jupyter`, ["lab", "--allow-root", "--no-browser", `--port=${port}`, "--IdentityProvider.token=", `--ServerApp.root_dir=${home}`, "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"], { env, stdio: ["ignore", "ignore", fs.openSync(`${pictures}/server.log`, "w")] });
const address = `http://localhost:${port}`;
let browser, failed = 0;
try {
  for (let tries = 0; ; tries++) {
    if (await fetch(`${address}/api`).then((r) => r.ok, () => false)) break;
    if (tries > 300) throw new Error("the server does not start");
    await new Promise((wait) => setTimeout(wait, 200));
  }
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const page = await browser.newPage({ viewport: { width: 1300, height: 1400 } });
  const outside = [];
  page.on("request", (r) => { if (!/^(http:\/\/localhost:18888|data:|blob:)/.test(r.url())) outside.push(r.url()); });
  await page.goto(`${address}/lab/tree/lab.ipynb`);
  const at = (i) => page.locator(".jp-Notebook .jp-CodeCell").nth(i);
  const picture = (name) => page.screenshot({ path: `${pictures}/${name}.png` });
  const within = async (what, seconds, condition) => {
    const start = Date.now();
    for (;;) {
      if (await condition()) return Date.now() - start;
      if (Date.now() - start > seconds * 1000) { await picture("failed"); fs.writeFileSync(`${pictures}/failed.html`, await page.content()); throw new Error(`${what}: not within ${seconds} s`); }
      await new Promise((wait) => setTimeout(wait, 5));
    }
  };
  const say = (what) => console.log(what);
  await page.waitForSelector(".jp-Notebook .jp-CodeCell .cm-content", { timeout: 60000 });
  const idle = () => page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').count();
  const kernels = async () => (await fetch(`${address}/api/kernels`)).json();
  await within("a kernel that waits", 60, async () => (await kernels()).some((k) => k.connections > 0 && k.execution_state === "idle") && (await idle()));
  await page.waitForTimeout(500); // the page hears of it a moment later
  const edit = async (i, toEnd = true) => {
    await at(i).scrollIntoViewIfNeeded();
    await at(i).locator(".cm-content").click();
    if (toEnd) await page.keyboard.press("Control+End");
  };
  const run = async (i) => { await edit(i); await page.keyboard.press("Control+Enter"); };
  const output = (i) => at(i).locator(".jp-OutputArea-output");
  const number = async (i) => (await at(i).locator(".jp-InputPrompt").innerText()).trim();

  await run(0);
  say(`a cell: ${await within("a dataset shown", 60, async () => (await number(0)) === "[1]:" && (await output(0).count()) > 0)} ms until its output`);
  await run(1);
  say(`a map: ${await within("Vega-Lite's drawing", 60, async () => (await at(1).locator("canvas, svg.marks").count()) > 0)} ms until Vega-Lite has drawn it`);
  await page.waitForTimeout(500);
  await picture("1-map");

  await edit(2);
  await page.keyboard.press("Tab");
  const completer = page.locator(".jp-Completer:not(.lm-mod-hidden) .jp-Completer-item, .jp-Completer .jp-Completer-list .jp-Completer-item");
  say(`Tab: ${await within("completions", 20, async () => (await completer.filter({ hasText: "obsm" }).count()) > 0)} ms until obsm is offered`);
  await picture("2-tab");
  await page.keyboard.press("Escape");

  await edit(3);
  await page.keyboard.press("Shift+Tab");
  const tooltip = page.locator(".jp-Tooltip");
  say(`Shift-Tab: ${await within("the tooltip", 20, async () => (await tooltip.count()) > 0 && /neighbours/.test(await tooltip.first().innerText()))} ms until graph::knn is explained`);
  await picture("3-shift-tab");
  await page.keyboard.press("Escape");

  await run(4);
  await within("a live chart", 60, async () => (await at(4).locator(".jp-Cell-outputWrapper").locator("canvas, svg, img").count()) > 0);
  await page.waitForTimeout(8000);
  await edit(5);
  await page.keyboard.type(".na");
  await page.keyboard.press("Tab");
  const whole = async () => (await completer.filter({ hasText: "names" }).count()) > 0 || /names/.test(await at(5).locator(".cm-content").innerText());
  say(`Tab while a training runs: ${await within("completions while training", 20, whole)} ms`);
  if ((await number(4)) !== "[*]:") throw new Error("the training is over");
  await page.keyboard.press("Escape");
  await at(4).scrollIntoViewIfNeeded();
  await picture("4-training");
  await page.locator('jp-button[data-command="notebook:interrupt-kernel"], button[data-command="notebook:interrupt-kernel"]').first().click();
  say(`the stop button: ${await within("the end of the training", 20, async () => (await number(4)) !== "[*]:" && (await idle()))} ms until the cell has ended and the kernel waits`);
  await within("the stopped training's curves as a figure", 20, async () => (await at(4).locator("canvas, svg.marks").count()) > 0);
  await page.waitForTimeout(300);
  await picture("5-stopped");
  const said = await at(4).innerText();
  if (!/nterrupt/.test(said)) throw new Error(`the training does not say that it was interrupted: ${said}`);
  await run(6);
  await within("the state behind it", 20, async () => /epoch \d+, 4000 spots/.test(await at(6).innerText()));
  say(`behind it: ${/epoch \d+, 4000 spots/.exec(await at(6).innerText())[0]}`);
  await picture("6-behind");
  say(`asked for outside the server: ${outside.length ? outside.join(" ") : "nothing"}`);
  if (outside.length) failed = 1;
} catch (e) {
  console.error(String(e)); failed = 1;
} finally {
  await browser?.close();
  server.kill();
  await new Promise((over) => server.once("exit", over));
  fs.rmSync(home, { recursive: true, force: true });
}
process.exit(failed);
