// Of pyinfra-callcenter; changed by the next deploy. A phone: SIP by JsSIP, voice by the browser.
// What peers say of themselves is text, and becomes nothing else.
"use strict";

const SITE = JSON.parse(document.querySelector("meta[name=site]").content);

const WORDS = {
  en: {
    extension: "Extension", password: "Password", login: "Log in", logout: "Log out",
    number: "Number", call: "Call", answer: "Answer", hangup: "Hang up", decline: "Decline",
    hold: "Hold", resume: "Resume", transfer: "Transfer", join: "Connect both", key: "Key",
    connecting: "Connecting…", ready: "Ready. Calls come to this page while it is open.",
    refused: "Extension or password is wrong.", away: "No connection to the call centre.",
    muted: "This page may not use the microphone. Allow it in the browser.",
    ringing: "Is calling", called: "Ringing", talking: "In a call", held: "On hold",
    theyHeld: "Held by the other side", sent: "Transferred", over: "Call ended",
    busy: "Busy", unanswered: "No answer", absent: "Cannot be reached", failed: "The call failed",
    whom: "Type the number to transfer to.", mailbox: "Voicemail", messages: "new messages",
    keys: "Keypad", messageList: "Voice messages", none: "No messages.", unread: "New",
    heard: "Heard", play: "Play", mark: "Mark as heard", erase: "Delete", stranger: "Unknown number",
    unreadable: "Messages cannot be read now.",
  },
  zh: {
    extension: "分机", password: "密码", login: "登录", logout: "退出",
    number: "号码", call: "呼叫", answer: "接听", hangup: "挂断", decline: "拒接",
    hold: "保持", resume: "恢复", transfer: "转接", join: "接通双方", key: "按键",
    connecting: "正在连接…", ready: "已就绪。页面打开时可以接听来电。",
    refused: "分机或密码错误。", away: "无法连接呼叫中心。",
    muted: "此页面不能使用麦克风，请在浏览器中允许。",
    ringing: "来电", called: "正在振铃", talking: "通话中", held: "已保持",
    theyHeld: "对方已保持", sent: "已转接", over: "通话结束",
    busy: "忙", unanswered: "无人接听", absent: "无法接通", failed: "呼叫失败",
    whom: "请输入要转接的号码。", mailbox: "语音信箱", messages: "条新留言",
    keys: "拨号键盘", messageList: "语音留言", none: "没有留言。", unread: "新",
    heard: "已听", play: "播放", mark: "标为已听", erase: "删除", stranger: "未知号码",
    unreadable: "现在无法读取留言。",
  },
};
const LANGUAGE = [...navigator.languages, SITE.language]
  .map((one) => one.slice(0, 2)).find((one) => one in WORDS) || "en";
const word = (name) => WORDS[LANGUAGE][name];
const at = (id) => document.getElementById(id);

const CAUSES = {
  Busy: "busy", Rejected: "busy", Canceled: "over", "No Answer": "unanswered", "Not Found": "absent",
  Unavailable: "absent", "User Denied Media Access": "muted",
};
const VOICE = {
  // JsSIP's own 90 seconds are a message every 45.
  sessionTimersExpires: 1800,
  mediaConstraints: { audio: true, video: false },
  pcConfig: { iceServers: [] },
};
// Signs that people write between digits are theirs; what is dialled has none.
const dialled = (text) => text.replace(/[\s().\-\/]/g, "");
const DIALLED = /^\+?[0-9*#]{1,32}$/;
const address = (number) => `sip:${number.replaceAll("#", "%23")}@${SITE.domain}`;

let agent = null;
const calls = new Set();

document.documentElement.lang = LANGUAGE;
for (const one of document.querySelectorAll("[data-word]")) {
  one.textContent = word(one.dataset.word);
}
at("keys").setAttribute("aria-label", word("keys"));

function say(name) {
  at("state").textContent = name ? word(name) : "";
}

function button(name, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = name;
  made.textContent = word(name);
  made.addEventListener("click", act);
  return made;
}

// A call of this page: its line in the list, its buttons, and its sound.
class Line {
  constructor(session, incoming) {
    this.session = session;
    this.sound = document.createElement("audio");
    this.sound.autoplay = true;
    this.element = document.createElement("li");
    this.who = document.createElement("span");
    this.who.className = "who";
    this.state = document.createElement("span");
    this.state.setAttribute("role", "status");
    this.buttons = document.createElement("p");
    this.buttons.className = "row";
    this.element.append(this.who, this.state, this.buttons, this.sound);
    const other = session.remote_identity;
    const user = other.uri.user || "";
    const name = other.display_name;
    this.who.textContent = name && name !== user ? `${name} (${user})` : user;
    calls.add(this);
    at("calls").append(this.element);
    this.show(incoming ? "ringing" : "called");
    if (session.connection) this.listen(session.connection);
    session.on("peerconnection", (event) => this.listen(event.peerconnection));
    session.on("confirmed", () => this.show("talking"));
    session.on("icecandidate", ({ ready }) => {
      // A relay that does not answer holds up no call; what it adds later is found by the switch.
      this.hurry = this.hurry || setTimeout(ready, 3000);
    });
    session.on("hold", (event) => event.originator === "remote" && this.show("theyHeld"));
    session.on("unhold", (event) => event.originator === "remote" && this.show("talking"));
    session.on("ended", () => this.end("over"));
    session.on("failed", (event) => this.end(CAUSES[event.cause] || (incoming ? "over" : "failed")));
  }

  listen(connection) {
    connection.addEventListener("track", (event) => {
      this.sound.srcObject = event.streams[0] || new MediaStream([event.track]);
    });
  }

  show(state) {
    this.state.textContent = word(state);
    this.element.dataset.state = state;
    const shown = {
      ringing: ["answer", "decline"],
      called: ["hangup"],
      talking: ["hold", "transfer", "hangup"],
      held: ["resume", "transfer", "hangup"],
      theyHeld: ["hold", "transfer", "hangup"],
    }[state];
    this.buttons.replaceChildren(...shown.map((name) => button(name, () => this[name]())));
    if (calls.size > 1 && state === "held") this.buttons.append(button("join", () => this.join()));
    ring();
  }

  answer() {
    holdOthers(this);
    this.session.answer(VOICE);
  }

  decline() {
    this.session.terminate({ status_code: 486 });
  }

  hangup() {
    this.session.terminate();
  }

  // Shown once the other side has agreed: before that the next change would be refused.
  hold() {
    this.session.hold({}, () => this.show("held"));
  }

  resume() {
    holdOthers(this);
    this.session.unhold({}, () => this.show("talking"));
  }

  transfer() {
    const to = dialled(at("number").value);
    if (!DIALLED.test(to)) {
      say("whom");
      at("number").focus();
      return;
    }
    at("number").value = "";
    this.refer(to, {});
  }

  // Whom this call and the other one are with speak to each other, and this page is out.
  join() {
    const other = [...calls].find((one) => one !== this);
    if (other) this.refer(other.session.remote_identity.uri.user, { replaces: other.session }, 1000);
  }

  // FreeSWITCH ends a held call that is given to another one where BYE comes while it leaves this
  // one: within some 20 ms of its word that all is done.
  refer(to, options, patience = 0) {
    const eventHandlers = {
      accepted: () => {
        say("sent");
        setTimeout(() => this.session.isEnded() || this.session.terminate(), patience);
      },
      failed: () => say("failed"),
    };
    this.session.refer(address(to), { ...options, eventHandlers });
  }

  end(why) {
    calls.delete(this);
    this.sound.srcObject = null;
    this.element.remove();
    ring();
    say(why);
  }
}

// A second of sound in three, for a minute, while any call rings; and its name on the tab.
let bell = null;
function ring() {
  const ringing = [...calls].find((one) => one.element.dataset.state === "ringing");
  document.title = ringing ? `☎ ${ringing.who.textContent}` : SITE.domain;
  if (bell && !ringing) {
    bell.close();
    bell = null;
  } else if (ringing && !bell) {
    bell = new AudioContext();
    const volume = new GainNode(bell, { gain: 0 });
    const tone = new OscillatorNode(bell, { frequency: 440 });
    for (let at = 0; at < 60; at += 3) {
      volume.gain.setValueAtTime(0.1, at);
      volume.gain.setValueAtTime(0, at + 1);
    }
    tone.connect(volume).connect(bell.destination);
    tone.start();
  }
}

function holdOthers(line) {
  for (const one of calls) {
    if (one !== line && one.session.isEstablished() && !one.session.isOnHold().local) one.hold();
  }
}

function talking() {
  return [...calls].find((one) => one.session.isEstablished() && !one.session.isOnHold().local);
}

function press(key) {
  const line = talking();
  if (line) line.session.sendDTMF(key, { transportType: "RFC2833" });
  else at("number").value += key;
}

for (const key of "123456789*0#") {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = key;
  made.setAttribute("aria-label", `${word("key")} ${key}`);
  made.addEventListener("click", () => press(key));
  at("keys").append(made);
}

// RFC 3842: "Voice-Message: new/old".
function light(body) {
  const found = /^Voice-Message:\s*([0-9]{1,6})\//im.exec(body || "");
  const count = found ? Number(found[1]) : 0;
  at("mailbox").hidden = !SITE.mailbox;
  at("mailbox").textContent =
    count ? `${word("mailbox")}: ${count} ${word("messages")}` : word("mailbox");
  if (mailbox) mailbox.show();
}

// What an extension proves itself by: an HMAC of what the switch says once, by a key that is made of
// the password and kept here for as long as the login lasts. The password itself is not sent.
const HMAC = { name: "HMAC", hash: "SHA-256" };
const bytes = (text) => new TextEncoder().encode(text);
const keyOf = (raw) => crypto.subtle.importKey("raw", raw, HMAC, false, ["sign"]);
const signed = async (key, text) => crypto.subtle.sign("HMAC", await key, bytes(text));
const hex = (buffer) =>
  [...new Uint8Array(buffer)].map((one) => one.toString(16).padStart(2, "0")).join("");

// The extension's voice messages. What opens them is a word in this page's memory, and no cookie.
class Mailbox {
  constructor(number, password) {
    const hash = JsSIP.Utils.calculateMD5(`${number}:${SITE.domain}:${password}`);
    this.number = number;
    this.key = signed(keyOf(bytes(hash)), "callcenter voicemail").then(keyOf);
    this.session = null;
    this.shut = false;
    this.lines = new Map();
  }

  send(method, path, authorization) {
    const headers = authorization ? { Authorization: authorization } : {};
    return fetch(`voicemail${path}`, { method, headers, credentials: "omit", cache: "no-store" });
  }

  async enter() {
    const { nonce } = await (await this.send("GET", "/nonce")).json();
    const proof = hex(await signed(this.key, nonce));
    const answer = await this.send("POST", "/session", `Proof ${this.number} ${nonce} ${proof}`);
    // The password is another one by now: who asks on would be taken for a guesser.
    if (answer.status === 403) this.shut = true;
    if (!answer.ok) throw new Error(`session: ${answer.status}`);
    return (await answer.json()).token;
  }

  token() {
    if (!this.session) {
      const made = this.enter();
      made.catch(() => { if (this.session === made) this.session = null; });
      this.session = made;
    }
    return this.session;
  }

  async ask(method, path) {
    if (this.shut) throw new Error("shut");
    const used = this.token();
    const answer = await this.send(method, path, `Bearer ${await used}`);
    if (answer.status !== 401) return answer;
    // A session has its time; a page that is still open proves itself anew.
    if (this.session === used) this.session = null;
    return this.send(method, path, `Bearer ${await this.token()}`);
  }

  // Reads the list, and once more where something comes meanwhile.
  async show() {
    this.again = true;
    if (this.reading) return;
    this.reading = true;
    while (this.again && !this.shut) {
      this.again = false;
      try {
        await this.read();
      } catch {
        this.tell("unreadable");
      }
    }
    this.reading = false;
  }

  async read() {
    const answer = await this.ask("GET", "");
    if (answer.status === 404) {
      // The extension has no mailbox.
      this.shut = true;
      return;
    }
    if (!answer.ok) throw new Error(`list: ${answer.status}`);
    const { messages } = await answer.json();
    if (this !== mailbox) return;
    const there = new Set(messages.map((one) => one.id));
    for (const [id, line] of this.lines) if (!there.has(id)) line.end();
    messages.forEach((one, nth) => {
      const line = this.lines.get(one.id) || new Message(this, one.id);
      line.show(one);
      // One that stays in its place plays on.
      const list = at("message-list");
      if (list.children[nth] !== line.element) list.insertBefore(line.element, list.children[nth]);
    });
    this.tell(messages.length ? "" : "none");
  }

  tell(name) {
    if (this !== mailbox) return;
    at("messages").hidden = false;
    at("messages-state").textContent = name ? word(name) : "";
  }

  leave() {
    mailbox = null;
    this.shut = true;
    at("messages").hidden = true;
    for (const line of this.lines.values()) line.end();
    if (!this.session) return;
    this.session.then((token) => this.send("DELETE", "/session", `Bearer ${token}`)).catch(() => {});
  }
}

let mailbox = null;

// A voice message: its line in the list.
class Message {
  constructor(box, id) {
    this.box = box;
    this.id = id;
    this.sound = null;
    this.loading = false;
    this.element = document.createElement("li");
    this.who = document.createElement("span");
    this.who.className = "who";
    this.about = document.createElement("span");
    this.buttons = ["play", "mark", "erase"].map((name) => button(name, () => this.act(name)));
    const row = document.createElement("p");
    row.className = "row";
    row.append(...this.buttons);
    this.element.append(this.who, this.about, row);
    box.lines.set(id, this);
  }

  show(told) {
    const { name, number } = told;
    const when = new Date(told.at * 1000)
      .toLocaleString(LANGUAGE, { dateStyle: "medium", timeStyle: "short" });
    const length = `${Math.floor(told.seconds / 60)}:${String(told.seconds % 60).padStart(2, "0")}`;
    this.heard = told.heard;
    this.who.textContent = name && number ? `${name} (${number})` : name || number || word("stranger");
    this.about.textContent = [when, length, word(told.heard ? "heard" : "unread")].join(" · ");
    this.element.dataset.state = told.heard ? "heard" : "unread";
    for (const one of this.buttons) {
      one.setAttribute("aria-label", `${one.textContent}: ${this.who.textContent}, ${when}`);
    }
    const [play, mark] = this.buttons;
    if (told.heard && document.activeElement === mark) play.focus();
    mark.hidden = told.heard;
  }

  async act(name) {
    try {
      await this[name]();
    } catch {
      this.box.tell("unreadable");
    }
  }

  async play() {
    if (this.loading) return;
    if (!this.sound) {
      this.loading = true;
      try {
        await this.load();
      } finally {
        this.loading = false;
      }
    }
    if (this.sound) await this.sound.play();
  }

  async load() {
    const answer = await this.box.ask("GET", `/${this.id}`);
    if (!answer.ok) {
      this.box.show();
      return;
    }
    const content = await answer.blob();
    if (!this.box.lines.has(this.id)) return;
    this.sound = document.createElement("audio");
    this.sound.controls = true;
    this.sound.src = URL.createObjectURL(content);
    this.sound.setAttribute("aria-label", this.who.textContent);
    this.sound.addEventListener("ended", () => this.heard || this.act("mark"));
    this.element.append(this.sound);
  }

  async mark() {
    await this.box.ask("POST", `/${this.id}/heard`);
    this.box.show();
  }

  async erase() {
    await this.box.ask("DELETE", `/${this.id}`);
    // Its buttons go: who works by keyboard is where the list begins.
    at("messages-title").focus();
    this.box.show();
  }

  end() {
    this.box.lines.delete(this.id);
    this.element.remove();
    if (!this.sound) return;
    this.sound.pause();
    URL.revokeObjectURL(this.sound.src);
  }
}

function call(number) {
  holdOthers(null);
  agent.call(address(number), VOICE);
}

// What the switch has said to who has just logged in (X-Turn): the password is not kept for it.
function relay(user, credential) {
  if (!SITE.turn || !credential) return;
  const urls = `turns:${SITE.domain}:${SITE.turn}?transport=tcp`;
  VOICE.pcConfig.iceServers = [{ urls, username: user, credential }];
}

function leave(why) {
  VOICE.pcConfig.iceServers = [];
  for (const one of [...calls]) one.session.terminate();
  if (agent) agent.stop();
  agent = null;
  if (mailbox) mailbox.leave();
  at("phone").hidden = true;
  at("login").hidden = false;
  at("password").value = "";
  say(why);
}

at("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const made = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(`wss://${SITE.domain}:${SITE.port}/`)],
    uri: `sip:${at("user").value}@${SITE.domain}`,
    password: at("password").value,
    register_expires: 300,
    user_agent: "Browser",
  });
  agent = made;
  const box = SITE.messages ? new Mailbox(at("user").value, at("password").value) : null;
  say("connecting");
  made.on("registered", ({ response }) => {
    relay(made.configuration.uri.user, response.getHeader("X-Turn"));
    at("password").value = "";
    at("login").hidden = true;
    if (at("phone").hidden) {
      at("phone").hidden = false;
      at("number").focus();
      mailbox = box;
      if (mailbox) mailbox.show();
    }
    if (!calls.size) say("ready");
  });
  made.on("registrationFailed", (failed) => {
    const code = failed.response && failed.response.status_code;
    if (made === agent && (code === 401 || code === 403)) leave("refused");
    else say("away");
  });
  made.on("disconnected", () => made === agent && say("away"));
  made.on("newRTCSession", (found) => new Line(found.session, found.originator === "remote"));
  made.on("sipEvent", (heard) => {
    if (heard.event.event === "message-summary") light(heard.request.body);
  });
  light("");
  made.start();
});

at("dial").addEventListener("submit", (event) => {
  event.preventDefault();
  const number = dialled(at("number").value);
  if (!DIALLED.test(number)) return;
  at("number").value = "";
  say("");
  call(number);
});

at("mailbox").addEventListener("click", () => call(SITE.mailbox));
at("logout").addEventListener("click", () => leave(""));
window.addEventListener("pagehide", () => agent && agent.stop());
