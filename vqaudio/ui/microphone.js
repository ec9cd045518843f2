// A microphone can be refused, missing, taken, or lost while it records: each gets a sentence under the sound input.
(() => {
  const WHY = {
    NotAllowedError: "The browser does not let this page use the microphone: allow it beside the address, then press Record again.",
    NotFoundError: "No microphone was found: plug one in and press Record again, or upload a file.",
    NotReadableError: "The microphone is in use by another program: close that one, then press Record again.",
  };
  const LOST = "The microphone was lost while it was in use: check its plug, then record again.";
  const say = (sentence) => {
    const place = document.getElementById("microphone");
    if (place) place.textContent = sentence;
  };
  const devices = navigator.mediaDevices;
  if (!devices) return; // an address without https: the browser offers no microphone, and Gradio no button that could use one
  const usual = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (wanted) => {
    say("");
    try {
      const stream = await usual(wanted);
      for (const track of stream.getAudioTracks()) track.addEventListener("ended", () => say(LOST)); // not fired by stop()
      return stream;
    } catch (error) {
      say(WHY[error.name] || `The microphone cannot be used (${error.name}): upload a file instead.`);
      throw error;
    }
  };
})();
