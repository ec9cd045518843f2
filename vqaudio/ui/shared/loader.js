// Runs once for each mount of a component: imports its main.js, all modules from one folder that is named by their content, so
// that no browser mixes versions. Python writes `load` in front; the other names are Gradio's.

const config = window.gradio_config || {};
const root = new URL(config.root || ".", document.baseURI);
const origin = root.hostname === location.hostname ? location.origin : root.origin; // behind a proxy, the page's own
const folder = `${origin}${root.pathname.replace(/\/$/, "")}${config.api_prefix || "/gradio_api"}/file=${load.folder}/`;
for (const module of load.modules) {
  const link = document.createElement("link");
  document.head.append(Object.assign(link, { rel: "modulepreload", href: folder + module }));
}
import(folder + load.main).then(
  ({ start }) => start({ element, props, server, trigger, upload, watch }),
  () => { element.querySelector(".cm-empty").textContent = "The page did not load completely. Reload it."; },
);
