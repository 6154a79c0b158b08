// One rater's way through a study. The server decides what is shown; this page shows it, times it and sends the answer.

const SETTLE_MS = 200; // after new pictures: a second tap of the old answer must not judge them
const RETRY_MS = 2000;
const LONGEST_MS = 3600000; // as the server takes

const at = (id) => document.getElementById(id);
const sections = ["start", "rate", "paused", "end", "trouble"];

let state = null; // what the server said last
let ready = false; // whether an answer is taken
let since = 0; // when looking began, or went on after a pause
let looked = 0; // milliseconds before that
let shows = 0; // how many screens were put up: what belongs to an older one is dropped

class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const answer = await fetch(path, { ...options, cache: "no-store", credentials: "same-origin" });
  if (answer.ok) return answer.json();
  if (answer.status >= 500) throw new Error(`the server answered ${answer.status}`);
  const text = await answer.text();
  let detail = text;
  try {
    detail = JSON.parse(text).detail;
  } catch { /* plain text */ }
  throw new Refused(answer.status, typeof detail === "string" ? detail : "that was not understood");
}

function view(name) {
  for (const section of sections) at(section).hidden = section !== name;
  at("progress").hidden = !["rate", "paused", "end"].includes(name);
}

function focusTitle(name) {
  at(name).querySelector("h1").focus();
}

function say(words) {
  at("said").textContent = words;
}

function notice(words) {
  at("notice").textContent = words;
  at("notice").hidden = !words;
}

async function show(next) {
  const first = state === null || !state.joined || state.screen === null;
  state = next;
  ready = false;
  notice("");
  if (!state.joined) return showStart();
  at("count").textContent = `${Math.min(state.position + 1, state.total)} of ${state.total}`;
  at("bar").max = state.total;
  at("bar").value = state.position;
  if (state.screen === null) {
    at("count").textContent = `${state.total} of ${state.total}`;
    view("end");
    focusTitle("end");
    return say("All done.");
  }
  at("question").textContent = state.question;
  at("undo").disabled = state.position === 0;
  view("rate");
  if (first) focusTitle("rate");
  await putUp(state.screen);
}

function showStart() {
  const single = state.mode === "real-or-generated";
  at("start-title").textContent = state.question;
  at("start-words").textContent = single
    ? `You will see ${state.total} pictures, one at a time. Some were taken from real data, some were made by a computer. Say which, as you see it; there is no time limit.`
    : `You will see ${state.total} pairs of pictures. Choose one of each pair, by eye; there is no time limit.`;
  at("name").maxLength = state.longest_name;
  at("examples").hidden = state.examples.length === 0;
  at("examples-sheet").classList.toggle("pixelated", state.pixelated);
  at("examples-sheet").replaceChildren(...state.examples.map((source) => image(source, "A real picture")));
  view("start");
}

function image(source, words) {
  const picture = new Image();
  picture.src = source;
  picture.alt = words;
  picture.draggable = false;
  return picture;
}

async function putUp(screen) {
  const mine = ++shows;
  const stage = at("stage");
  const pictures = screen.pictures.map((source, i) =>
    image(source, screen.pictures.length === 1 ? "The picture to judge" : ["The left picture", "The right picture"][i]));
  for (const picture of pictures) {
    picture.width = state.width;
    picture.height = state.height;
  }
  delete stage.dataset.ready;
  stage.classList.add("loading");
  try {
    await Promise.all(pictures.map((picture) => picture.decode()));
  } catch {
    if (mine === shows) trouble("A picture could not be loaded.");
    return;
  }
  if (mine !== shows) return;
  fill(stage, screen, pictures);
  stage.classList.remove("loading");
  looked = 0;
  since = performance.now();
  say(`${state.position + 1} of ${state.total}`);
  for (const source of state.next) new Image().src = source;
  setTimeout(() => {
    if (mine !== shows) return;
    ready = true;
    stage.dataset.ready = state.position;
  }, SETTLE_MS);
}

// The buttons stay and change their pictures, so that whoever went to one with Tab is still there on the next screen.
function fill(stage, screen, pictures) {
  stage.classList.toggle("pixelated", state.pixelated);
  stage.classList.toggle("single", pictures.length === 1);
  if (stage.children.length === 0) stage.append(...(pictures.length === 1 ? singleParts(screen) : pairParts(screen)));
  stage.querySelectorAll(".place").forEach((place, i) => place.replaceChildren(pictures[i]));
}

function pairParts(screen) {
  return screen.answers.map((answer, i) => {
    const button = choice(answer, i, ["Left", "Right"][i]);
    button.className = "choice";
    button.prepend(place());
    return button;
  });
}

function singleParts(screen) {
  const row = document.createElement("div");
  row.className = "answers";
  row.append(...screen.answers.map((answer, i) => choice(answer, i, answer[0].toUpperCase() + answer.slice(1))));
  return [place(), row];
}

function place() {
  const part = document.createElement("div");
  part.className = "place";
  return part;
}

function choice(answer, i, words) {
  const button = document.createElement("button");
  const label = document.createElement("span");
  const key = document.createElement("kbd");
  key.textContent = i + 1;
  label.append(`${words} `, key);
  button.type = "button";
  button.dataset.answer = answer;
  button.append(label);
  button.addEventListener("click", () => give(answer));
  return button;
}

async function give(answer) {
  if (!ready || state.screen === null || at("rate").hidden) return;
  ready = false;
  const picture = at("stage").querySelector("img");
  const body = {
    position: state.position,
    answer,
    milliseconds: Math.min(LONGEST_MS, Math.round(looked + performance.now() - since)),
    width: Math.round(picture.getBoundingClientRect().width),
  };
  at("stage").classList.add("loading");
  await send("/api/answer", body);
}

async function takeBack() {
  if (state === null || !state.joined || state.position === 0 || (state.screen !== null && !ready)) return;
  ready = false;
  if (await send("/api/undo", {})) say(`Taken back: ${state.position + 1} of ${state.total}`);
}

// Sent until it is kept: sending twice what was kept already does no harm to an answer, but would to taking back.
async function send(path, body) {
  for (;;) {
    try {
      await show(await ask(path, body));
      return true;
    } catch (error) {
      if (error instanceof Refused) {
        await load();
        notice(`That was not taken: ${error.message}.`);
        return false;
      }
      if (path === "/api/undo") {
        trouble("The server cannot be reached. Your answers up to here are kept.");
        return false;
      }
      notice("This answer is not saved yet: the server cannot be reached. Trying again…");
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
}

function pause() {
  if (at("rate").hidden || !ready) return;
  looked += performance.now() - since;
  ready = false;
  view("paused");
  focusTitle("paused");
}

function resume() {
  if (at("paused").hidden) return;
  view("rate");
  since = performance.now();
  ready = true;
  focusTitle("rate");
}

function trouble(words) {
  at("trouble-words").textContent = words;
  view("trouble");
  focusTitle("trouble");
}

async function load() {
  try {
    await show(await ask("/api/state"));
  } catch (error) {
    trouble(error instanceof Refused ? error.message : "The server cannot be reached. Your answers up to here are kept.");
  }
}

const KEYS = { ArrowLeft: 0, 1: 0, ArrowRight: 1, 2: 1 };

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.altKey || event.metaKey || event.target.tagName === "INPUT") return;
  const back = event.key === "u" || event.key === "U" || event.key === "Backspace";
  if (event.key === "Escape") {
    if (at("paused").hidden) pause();
    else resume();
  } else if (back || (event.ctrlKey && event.key === "z")) {
    if (!at("rate").hidden || !at("end").hidden) takeBack();
  } else if (event.key in KEYS && !event.ctrlKey && state !== null && state.screen) {
    give(state.screen.answers[KEYS[event.key]]);
  } else {
    return;
  }
  event.preventDefault();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) pause();
});
at("undo").addEventListener("click", takeBack);
at("undo-last").addEventListener("click", takeBack);
at("pause").addEventListener("click", pause);
at("resume").addEventListener("click", resume);
at("again").addEventListener("click", load);
at("join").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await show(await ask("/api/join", { name: at("name").value }));
  } catch (error) {
    notice(error instanceof Refused ? `${error.message}.` : "The server cannot be reached: try again.");
  }
});

load();
