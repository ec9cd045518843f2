// Gradio's upload takes what the browser calls audio/*, and browsers call sound in .webm, .mp4 and .3gp video, and .caf nothing.
// So a file for the sound input is sent as audio, whatever it is called: the server reads it, or says why it cannot.
(() => {
  const INPUT = "#sound input[type=file]";
  const ENDINGS = ",.webm,.mp4,.m4a,.mov,.mkv,.3gp,.caf"; // that the file picker shows too
  const isAudio = (file) => file.type.startsWith("audio/");
  const asAudio = (files) => {
    const sent = new DataTransfer();
    for (const file of files) sent.items.add(isAudio(file) ? file : new File([file], file.name, { type: "audio/unknown" }));
    return sent;
  };
  const early = (name, react) => document.addEventListener(name, react, true); // before Gradio's own listeners
  early("click", ({ target }) => {
    if (target.matches?.(INPUT) && !target.accept.endsWith(ENDINGS)) target.accept += ENDINGS;
  });
  early("change", ({ target }) => {
    if (target.matches?.(INPUT) && ![...target.files].every(isAudio)) target.files = asAudio(target.files).files;
  });
  early("drop", (event) => {
    const files = [...(event.dataTransfer?.files || [])];
    if (!event.target.closest?.("#sound") || files.every(isAudio)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    event.target.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: asAudio(files) }));
  });
})();
