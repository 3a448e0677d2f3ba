// The studio: a client of the API. It stores only the key, until the tab is closed.

const LOOK_EVERY_MS = 2000, REST_MS = 300, COME_BACK_MS = 1000, TRIES = 4, LATEST = 24, PREVIEWS = 6;
const OVER = { completed: "Finished", failed: "Failed", cancelled: "Cancelled", expired: "Expired" };
const DOING = { encoding: "Encoding the prompt", denoising: "Denoising", decoding: "Decoding frames", muxing: "Writing the file", uploading: "Uploading" };
const SETTINGS = ["model", "prompt", "negative_prompt", "size", "num_frames", "seed", "num_inference_steps", "guidance_scale", "scheduler"];
const $ = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const form = $("ask"), door = $("door");

// ---- The API. Its addresses are relative: a proxy may serve all of it below a path.

/** An error response: message, code and field. */
class Refused extends Error {
  constructor(status, { message, code, param } = {}) {
    super(message ?? `The service answered ${status}.`);
    Object.assign(this, { status, code, param });
  }
}

let key = sessionStorage.getItem("key"), asking = null, isDoorShut = false;

async function call(path, options = {}) {
  const used = key, headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.ok) return answer;
  if (answer.status === 401 && (key !== used || (await askForKey(used)))) return call(path, options);
  throw new Refused(answer.status, (await answer.json().catch(() => ({}))).error);
}

const said = (error) => (error instanceof Refused ? error.message : "The service does not respond.");
const read = async (path, options) => (await call(path, options)).json();
const videoPath = (id, rest = "") => `v1/videos/${encodeURIComponent(id)}${rest}`;
const blobUrl = async (id, variant) => URL.createObjectURL(await (await call(videoPath(id, `/content?variant=${variant}`))).blob());

/** POST with an Idempotency-Key: a retry after a lost response creates no second video. */
async function send({ path, data }) {
  const isForm = [...data.values()].some((value) => value instanceof File);
  const body = isForm ? data : JSON.stringify(Object.fromEntries(data));
  const headers = { "Idempotency-Key": crypto.getRandomValues(new Uint32Array(4)).join("-"), ...(!isForm && { "Content-Type": "application/json" }) };
  for (let tried = 1; ; tried++) {
    try {
      return await read(path, { method: "POST", headers, body });
    } catch (error) {
      const isUnknown = !(error instanceof Refused) || error.code === "idempotency_in_flight";
      if (tried === TRIES || !isUnknown) throw error;
      await pause(COME_BACK_MS * tried);
    }
  }
}

/** Opens the key dialog; whether a key was entered. After "Not now" it opens at the next action only. */
function askForKey(wrong) {
  if (isDoorShut) return false;
  asking ??= new Promise((done) => {
    door.querySelector(".error").hidden = !wrong;
    door.returnValue = $("key").value = "";
    door.addEventListener("close", () => {
      const given = door.returnValue && $("key").value.trim();
      if (given) sessionStorage.setItem("key", (key = given));
      [asking, isDoorShut, $("change-key").hidden] = [null, !given, false];
      done(Boolean(given));
    }, { once: true });
    door.showModal();
  });
  return asking;
}

/** The server-sent events after `place.last`. EventSource cannot send a key. */
async function* events(id, place, signal) {
  const headers = place.last ? { "Last-Event-ID": place.last } : {};
  const { body } = await call(videoPath(id, "/events"), { headers, signal });
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = "", got; reader && !(got = await reader.read()).done; ) {
    const blocks = (text + got.value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const said = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      place.last = said.id ?? place.last;
      if (said.event) yield { name: said.event, data: JSON.parse(said.data) };
    }
  }
}

// ---- The form

let models = [], mode = "new", source = null;
const asked = new Map();  // id -> request of this tab

/** Limits of the model as hints, defaults as placeholders. Empty fields are not sent. */
function showLimits() {
  const limits = models.find((model) => model.id === $("model").value)?.card;
  if (!limits) return void ($("trouble").textContent = "No model is available. Start a worker, then reload.");
  const { fps, max_frames: window, default_num_frames: frames } = limits, longest = window < 8 ? 1 : Math.max(window, limits.max_total_frames);
  const isSeconds = $("unit").value === "seconds", round = (number) => Number(number.toPrecision(3));
  $("size").placeholder = `${limits.default_width}x${limits.default_height}`;
  $("size-hint").textContent = `Multiples of 16, ${limits.min_side} to ${limits.max_side}, up to ${limits.max_pixels >> 10} K pixels.`;
  $("sizes").replaceChildren(...sizes(limits).map((size) => new Option(size)));
  $("length").placeholder = isSeconds ? round(frames / fps) : frames;
  $("length-hint").textContent = isSeconds ? `Up to ${round(longest / fps)} s, ${fps} frames per second.` : `1 for an image, else a multiple of 8 up to ${longest}.`;
  $("num_inference_steps").placeholder = limits.default_num_inference_steps;
  $("guidance_scale").placeholder = limits.default_guidance_scale;
  $("scheduler").replaceChildren(new Option(`default (${limits.default_scheduler})`, ""), ...limits.schedulers.map((name) => new Option(name)));
}

/** Common shapes with about as many pixels as the default size. */
function sizes({ default_width: width, default_height: height, min_side: least, max_side: most, max_pixels: pixels }) {
  const side = (number) => Math.round(number / 16) * 16, area = width * height;
  const made = [1, 16 / 9, 9 / 16, 4 / 3, 3 / 4].map((shape) => [side(Math.sqrt(area * shape)), side(Math.sqrt(area / shape))]);
  const fits = ([w, h]) => Math.min(w, h) >= least && Math.max(w, h) <= most && w * h <= pixels;
  return [...new Set([[width, height], ...made].filter(fits).map((sides) => sides.join("x")))];
}

/** Shows the fields of a mode: `new`, or `remix` or `extend` of a video. */
function setMode(name, record = null) {
  [mode, source] = [name, record];
  for (const set of form.querySelectorAll("fieldset")) set.hidden = set.disabled = !set.dataset.modes.includes(mode);
  $("origin").hidden = mode === "new";
  $("origin").firstElementChild.textContent = mode === "remix" ? "Same settings and seed, another prompt." : "Continues from the last frames.";
  $("submit").textContent = { new: "Generate video", remix: "Remix video", extend: "Extend video" }[mode];
  clearTroubles();
  if (!record) return;
  $("prompt").value = record.prompt;
  $("prompt").focus();
}

/** Path and data of the request, as typed: the service validates it. */
function wanted() {
  const data = new FormData(form);
  for (const [name, value] of [...data]) if (!(value.size ?? value.trim())) data.delete(name);
  if (data.has("length")) data.set($("unit").value, data.get("length"));
  data.delete("length");
  if (!data.has("image")) data.delete("resize_to_image");
  if (data.has("resize_to_image")) data.delete("size");
  const steps = Number(data.get("num_inference_steps") ?? $("num_inference_steps").placeholder) || 1;
  if (mode !== "remix" && $("previews").checked) data.set("previews", JSON.stringify({ every_steps: Math.ceil(steps / PREVIEWS) }));
  if (mode === "extend") data.set("video", JSON.stringify({ id: source.id }));
  return { path: { new: "v1/videos", extend: "v1/videos/extensions", remix: videoPath(source?.id, "/remix") }[mode], data };
}

async function ask(wish) {
  clearTroubles();
  isDoorShut = false;
  $("submit").disabled = $("again").disabled = true;
  try {
    const { id } = await send(wish);
    asked.set(id, wish);
    setMode("new");
    location.hash = id;
    loadGallery();
  } catch (error) {
    refuse(error);
  }
  $("submit").disabled = $("again").disabled = false;
}

/** Sends the request of this tab, or the settings of the record, again. */
function again() {
  const data = new FormData();
  for (const name of SETTINGS) data.set(name, shown[name]);
  ask(asked.get(shown.id) ?? { path: "v1/videos", data });
}

/** Shows an error beside its field, or else above the button. */
function refuse(error) {
  const field = form.querySelector(`[data-params~="${CSS.escape(error.param?.split(/[.[]/)[0] ?? "")}"]`);
  if (!field || field.closest("[hidden]")) return void ($("trouble").textContent = said(error));
  const input = field.querySelector("input, select, textarea"), line = element("p", said(error));
  Object.assign(line, { className: "error", id: `${input.id}-error`, role: "alert" });
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-errormessage", line.id);
  field.append(line);
  if (field.closest("details")) field.closest("details").open = true;
  input.focus();
}

function clearTroubles() {
  $("trouble").textContent = "";
  form.querySelectorAll(".field > .error").forEach((line) => line.remove());
  form.querySelectorAll("[aria-invalid]").forEach((input) => input.removeAttribute("aria-invalid"));
}

function picture(input) {
  const field = input.closest(".field"), image = field.querySelector("img"), remove = field.querySelector("button");
  const put = (files) => {
    input.files = files;
    input.onchange();
  };
  input.onchange = () => {
    const [file] = input.files;
    URL.revokeObjectURL(image.src);
    image.hidden = remove.hidden = !file;
    if (file) Object.assign(image, { src: URL.createObjectURL(file), alt: file.name });
    $("shape").parentElement.hidden = !$("image").files.length;
  };
  remove.onclick = () => {
    put(new DataTransfer().files);
    input.focus();
  };
  field.ondragover = field.ondragleave = field.ondrop = (event) => {
    event.preventDefault();
    field.classList.toggle("over", event.type === "dragover");
    if (event.dataTransfer.files.length) put(event.dataTransfer.files);
  };
}

// ---- The stage: one video

let shown = null, following = null, lookedAt = 0, ended = null;

/** Follows a video by events, and by polling: the queue has no events, and connections break. */
async function follow(id) {
  following?.abort();
  const { signal } = (following = new AbortController()), place = { last: null };
  shown = ended = null;
  $("screen").replaceChildren();
  const timer = setInterval(() => look(id, signal), LOOK_EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  await look(id, signal);
  for (; !signal.aborted; await pause(COME_BACK_MS)) {
    try {
      for await (const event of events(id, place, signal)) hear(event, id, signal);
    } catch { /* the timer polls */ }
  }
}

async function look(id, signal) {
  lookedAt = Date.now();
  try {
    const record = await read(videoPath(id), { signal });
    if (!signal.aborted) show(record);
  } catch (error) {
    if (signal.aborted) return;
    if (error.status === 404) return leave("This video does not exist.");
    $("detail").textContent = said(error);
  }
}

function hear({ name, data }, id, signal) {
  if (signal.aborted) return;
  if (name === "done") return data.deleted ? leave("This video was deleted.") : show(data);
  if (name === "preview") return preview(id, signal);
  if (name === "progress" && shown) show({ ...shown, ...data });
  if (Date.now() - lookedAt > REST_MS) look(id, signal);
}

async function preview(id, signal) {
  const src = await blobUrl(id, "preview").catch(() => null);
  if (src && !signal.aborted) $("screen").replaceChildren(Object.assign(new Image(), { src, alt: "Preview" }));
}

function leave(message) {
  following?.abort();
  shown = null;
  history.replaceState(null, "", location.pathname);
  for (const name of ["screen", "detail", "failure", "facts", "warnings"]) $(name).replaceChildren();
  for (const part of [$("bar"), ...$("actions").children]) part.hidden = true;
  $("status").textContent = message;
}

function show(record) {
  const { state, error, url } = (shown = record), isOver = state in OVER, isVideo = record.num_frames > 1;
  if ($("status").textContent !== standing(record)) $("status").textContent = standing(record);  // screen readers read it
  if (state === "running") $("bar").value = record.progress;
  else $("bar").removeAttribute("value");
  $("screen").style.aspectRatio = `${record.width} / ${record.height}`;
  $("detail").textContent = isOver ? "" : onTheWay(record);
  $("failure").textContent = error && state !== "cancelled" ? `${error.message} ${error.retryable ? "A retry may help." : "A retry is unlikely to help."}` : "";
  $("facts").replaceChildren(...facts(record));
  $("warnings").replaceChildren(...record.warnings.map((text) => element("li", text)));
  $("cancel").disabled = record.cancel_requested;
  if (url) $("download").href = url;
  const isThere = {
    bar: !isOver, cancel: !isOver, delete: isOver, download: url, remix: url, extend: url && isVideo,
    again: isOver && state !== "completed" && (asked.has(record.id) || (record.mode.startsWith("text") && !record.loras[0])),
  };
  for (const [name, is] of Object.entries(isThere)) $(name).hidden = !is;
  if (isOver) end(record);
}

function standing({ state, phase, queue, cancel_requested: isLeaving }) {
  if (state in OVER) return OVER[state];
  if (isLeaving) return "Cancelling…";
  if (state === "running") return DOING[phase] ?? "Loading the model";
  if (queue?.reason) return "Queued: no worker serves its model";
  if (!queue?.position) return queue ? "Queued, next to run" : "Queued";
  return `Queued, ${queue.position} before this one`;
}

function onTheWay({ step, total_steps: steps, eta_s: eta, state }) {
  const words = state === "running" && steps ? [`Step ${step} of ${steps}`] : [];
  return (eta === null ? words : [...words, `about ${Math.max(1, Math.round(eta))} s left`]).join(", ");
}

function facts(record) {
  const { prompt, size, seed, model, num_frames: frames, inference_time_s: took } = record;
  const length = frames === 1 ? "an image" : `${record.seconds} s, ${frames} frames`;
  const sampling = { steps: record.num_inference_steps, guidance: record.guidance_scale, sampler: record.scheduler };
  const all = { prompt, size, length, seed, ...sampling, model, ...(took && { "generated in": `${took.toFixed(1)} s` }) };
  return Object.entries(all).map(([name, value]) => element("div", element("dt", name), element("dd", value)));
}

function element(name, ...inside) {
  const made = document.createElement(name);
  made.append(...inside);
  return made;
}

function end(record) {
  following.abort();
  if (ended === record.id) return;
  ended = record.id;
  const none = record.state === "completed" ? "Its files have expired." : "There is no video.";
  $("screen").replaceChildren(record.url ? player(record) : element("p", none));
  loadGallery();
}

/** If the link cannot be reached, the API sends the bytes. */
function player(record) {
  const isImage = record.num_frames === 1, media = document.createElement(isImage ? "img" : "video");
  const autoplay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  Object.assign(media, isImage ? { alt: record.prompt } : { controls: true, loop: true, muted: true, playsInline: true, autoplay });
  media.addEventListener("error", async () => (media.src = await blobUrl(record.id, "video")), { once: true });
  media.src = record.url;
  return media;
}

async function erase({ id }) {
  if (!confirm("Delete this video and its files?")) return;
  await call(videoPath(id), { method: "DELETE" });
  if (shown?.id === id) leave("Deleted.");
  await loadGallery();
  $("mine").focus();
}

// ---- The gallery

const thumbs = new Map();  // id -> promise of a blob URL

async function loadGallery() {
  const { data } = await read(`v1/videos?limit=${LATEST}`);
  $("gallery").replaceChildren(...data.map(tile));
  $("none").hidden = data.length > 0;
}

function tile(record) {
  const { id, url } = record, thumb = element("span", url ? "" : standing(record)), words = element("span", record.prompt);
  const button = (name, onclick) => Object.assign(element("button", name), { onclick });
  const buttons = element("p", button("Delete", () => erase(record)));
  if (url && record.num_frames > 1) buttons.prepend(button("Extend", () => setMode("extend", record)));
  if (url) {
    buttons.prepend(button("Remix", () => setMode("remix", record)));
    if (!thumbs.has(id)) thumbs.set(id, blobUrl(id, "thumbnail"));
    thumbs.get(id).then((src) => thumb.append(Object.assign(new Image(), { src, alt: "" })), () => thumb.append("Finished"));
  }
  [thumb.className, words.className] = ["thumb", "words"];
  return element("li", Object.assign(element("a", thumb, words), { href: `#${id}` }), buttons);
}

// ---- Event handlers

form.onsubmit = (event) => {
  event.preventDefault();
  if (!$("submit").disabled) ask(wanted());
};
form.onkeydown = (event) => {
  const isPlain = event.target === $("prompt") && !event.shiftKey && !event.isComposing;
  if (event.key !== "Enter" || !(isPlain || event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  form.requestSubmit();
};
picture($("image"));
picture($("last_image"));
$("model").onchange = $("unit").onchange = showLimits;
$("anew").onclick = () => setMode("new");
$("cancel").onclick = async () => show(await read(videoPath(shown.id, "/cancel"), { method: "POST" }));
$("again").onclick = again;
$("remix").onclick = () => setMode("remix", shown);
$("extend").onclick = () => setMode("extend", shown);
$("delete").onclick = () => erase(shown);
$("download").onclick = async (event) => {  // links expire after an hour
  event.preventDefault();
  location.assign((await read(videoPath(shown.id))).url);
};
$("change-key").onclick = async () => {
  isDoorShut = false;
  if (await askForKey()) begin();
};
onhashchange = openHash;
onunhandledrejection = (event) => {  // errors of buttons
  event.preventDefault();
  $("detail").textContent = said(event.reason);
};

function openHash() {
  if (!location.hash) return;
  follow(location.hash.slice(1));
  if ($("stage").getBoundingClientRect().top > innerHeight / 2) $("stage").scrollIntoView();
}

async function begin() {
  $("change-key").hidden = !key;
  try {
    models = (await read("v1/models")).data;
    $("model").replaceChildren(...models.map(({ id, live_workers: n }) => new Option(n ? id : `${id} (no worker)`, id)));
    showLimits();
    await loadGallery();
  } catch (error) {
    refuse(error);
  }
  openHash();
}

setMode("new");
begin();
