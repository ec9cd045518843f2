// A sound that is dropped anywhere on the page is opened.

/**
 * @param {import("../shared/dom.js").Page} page
 * @param {function(File): void} onFile
 */
export function acceptDrops(page, onFile) {
  const sign = page.find(".cm-drop");
  const isFile = (event) => page.root.offsetWidth && event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  const show = (isOver) => { sign.hidden = !isOver; };
  document.addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    show(true);
  });
  document.addEventListener("dragleave", (event) => !event.relatedTarget && show(false));
  document.addEventListener("drop", (event) => {
    show(false);
    const [file] = event.dataTransfer ? event.dataTransfer.files : [];
    if (!page.root.offsetWidth || !file) return;
    event.preventDefault();
    onFile(file);
  });
}
