// Listen to a focusloop service, and send it trials. Browser, and Node 22 or newer; no dependencies.
export const VERSION = "0.1.0";
const SUBPROTOCOL = "focusloop.v1.json";
const DENIED = new Set([4400, 4401, 4403]); // trying again would not help
const FIRST_WAIT_MS = 100, LONGEST_WAIT_MS = 5000;
const FIRST_PINGS = 6, PING_EVERY_MS = 10_000, RESEND_EVERY_MS = 5000, TICK_MS = 50;
const PONG_PATIENCE_MS = 500; // one of the first pings waits so long for the pong before it, which it tells of
const CLOCK_PONGS = 5, CLOCK_PATIENCE_MS = 2000; // trials wait on each connection for so many pongs, or so long
const STALE_MS = 2000; // an older focus score is shown to nobody
const NOT_YET = new Set(["rate_limited", "too_many"]); // errors that a trial outlives: too fast, or the disk takes nothing
const NO_SUCH_STREAM = "no_such_stream"; // it may come back: one added over HTTP is gone after a restart
const AT_ONCE = 100; // trials resent at once: the service takes 200 messages a second
const MAX_UNACKNOWLEDGED = 100_000;
/** True where a score comes from no live headset: show SIMULATED in words then. */
export const isSimulated = (told) => told.origin !== "live";
/** A client that connects, connects again, resumes where it stopped, and sends trials until they are acknowledged. */
export class FocusLoop {
    /** Names this run: made at random, so that no two programs ever send the same trial. */
    run = crypto.randomUUID();
    /** How often a connection was welcomed. */
    connections = 0;
    /** Numbered messages that never came. */
    missed = 0;
    #url;
    #options;
    #listeners = new Map();
    #wishes = [];
    #thinned = new Set();
    #unacknowledged = new Map();
    #seen = new Map();
    #focus = new Map();
    #difficulty = new Map();
    #settling = new Set();
    #missing = new Set();
    #unheard = new Map();
    #streams = [];
    #epoch = null;
    #socket = null;
    #ready = false;
    #closed = false;
    #wait = FIRST_WAIT_MS;
    #trials = 0;
    #denied = null;
    #pings = 0;
    #pongs = 0;
    #clocked = false;
    #clockDue = 0;
    #pingDue = 0;
    #resendDue = 0;
    #heard = null;
    #roundTrip = Infinity;
    #retry;
    #ticking;
    constructor(options = {}) {
        this.#options = options;
        const own = typeof location === "undefined" ? "ws://127.0.0.1:8765" : location.origin;
        this.#url = (options.url ?? own).replace(/^http/, "ws").replace(/\/+$/, "").replace(/\/v1\/ws$/, "") + "/v1/ws";
        this.#ticking = setInterval(() => this.#tick(), TICK_MS);
        this.#connect();
    }
    get connected() { return this.#ready; }
    get unacknowledged() { return this.#unacknowledged.size; }
    /** Call back for each message of a type; gives a function that ends it. */
    on(type, listener) {
        const all = this.#listeners.get(type) ?? new Set();
        this.#listeners.set(type, all.add(listener));
        return () => { all.delete(listener); };
    }
    /** Listen to topics of a stream, the client's own by default ("*", and the default where it has none, is everyone), on this
     *  connection and each later one; what was missed in between is asked for, and a stream that is not there yet until it is. */
    subscribe(topics, options = {}) {
        const wish = { stream: options.stream ?? this.#options.stream ?? "*", topics, ...(options.rate_hz && { rate_hz: options.rate_hz }) };
        this.#wishes.push(wish);
        if (wish.rate_hz)
            topics.forEach((topic) => this.#thinned.add(topic));
        if (this.#ready)
            this.#ask(wish, this.#wishes.length);
    }
    /** The newest focus score; null where there is none, or it is older than 2 s. */
    focus(stream) {
        const found = this.#focus.get(this.#of(stream));
        return found && performance.now() - found.at <= STALE_MS ? found.message : null;
    }
    /** The newest difficulty; null before there was one. */
    difficulty(stream) { return this.#difficulty.get(this.#of(stream)) ?? null; }
    /** Send an answered trial, again and again until the service has acknowledged it; gives its number. One for a stream that the
     *  service does not have is kept, too: the program gets one `error`, and the stream is asked for every 5 s. Throws where the
     *  service does not let this client in. */
    trial(trial) {
        this.#check();
        const stream = this.#of(trial.stream);
        if (!stream)
            throw new Error("which participant? Give `stream` to the client or to trial()");
        if (this.#unacknowledged.size >= MAX_UNACKNOWLEDGED)
            throw new Error("too many trials wait for the service: is it gone?");
        for (const [name, value] of Object.entries(trial)) {
            if (typeof value === "number" && !Number.isFinite(value))
                throw new RangeError(`${name}: expected a finite number, got ${value}`);
        }
        const number = ++this.#trials;
        const level = trial.level ?? this.#difficulty.get(stream)?.level;
        const fields = {
            type: "trial", ...trial, stream, run: this.run, trial: number, t_client_ms: performance.now(),
            ...(level !== undefined && { level }),
            ...(Number.isFinite(this.#roundTrip) && { uncertainty_ms: this.#roundTrip / 2 }),
        };
        this.#unacknowledged.set(`${this.run} ${number}`, fields);
        if (this.#clocked && !this.#missing.has(stream))
            this.#say(fields);
        return number;
    }
    /** Let go of a trial that is not acknowledged: it is not sent again. */
    drop(trial) {
        this.#unacknowledged.delete(`${this.run} ${trial}`);
        this.#settle();
    }
    /** Say that something happened, now; everyone who listens to `marker` hears it. Not sent again if it is lost. */
    marker(label, stream) {
        this.#check();
        const name = this.#of(stream);
        if (!name)
            throw new Error("which participant? Give `stream` to the client or to marker()");
        if (this.#ready)
            this.#say({ type: "marker", stream: name, label, t_client_ms: performance.now() });
    }
    /**
     * Resolves to true once every trial is acknowledged, to false where time ran out or the client was closed; rejects where
     * trials are owed and the service does not let this client in.
     */
    settle(timeout_ms = Infinity) {
        if (!this.#unacknowledged.size)
            return Promise.resolve(true);
        if (this.#denied)
            return Promise.reject(this.#denial(this.#denied));
        if (this.#closed)
            return Promise.resolve(false);
        const until = performance.now() + timeout_ms;
        return new Promise((resolve, reject) => this.#settling.add({ until, resolve, reject }));
    }
    close() {
        this.#closed = true;
        clearInterval(this.#ticking);
        clearTimeout(this.#retry);
        this.#ready = this.#clocked = false;
        this.#socket?.close(1000);
        this.#settle();
    }
    #of(stream) {
        return stream ?? this.#options.stream ?? (this.#streams.length === 1 ? this.#streams[0] : "");
    }
    #denial(denied) {
        return new Error(`the service refuses this client (${denied.code}): ${denied.reason || "no reason given"}`);
    }
    #check() {
        if (this.#denied)
            throw this.#denial(this.#denied);
    }
    #connect() {
        const socket = (this.#socket = new WebSocket(this.#url, SUBPROTOCOL));
        socket.onopen = () => {
            this.#heard = null;
            this.#pings = this.#pongs = 0;
            const client = this.#options.client ?? `focusloop-client-js/${VERSION}`;
            this.#say({ type: "hello", client, ...(this.#options.token !== undefined && { token: this.#options.token }) });
        };
        socket.onmessage = ({ data }) => this.#take(String(data));
        socket.onerror = () => { }; // the close that follows says it
        socket.onclose = ({ code, reason }) => {
            this.#ready = this.#clocked = false;
            if (DENIED.has(code)) {
                clearInterval(this.#ticking);
                this.#denied = { type: "denied", code, reason };
                for (const { reject } of this.#settling)
                    reject(this.#denial(this.#denied));
                this.#settling.clear();
                this.#emit("denied", this.#denied);
                return;
            }
            this.#emit("disconnected", { type: "disconnected", code, reason });
            if (this.#closed)
                return;
            this.#retry = setTimeout(() => this.#connect(), this.#wait * (0.75 + 0.5 * Math.random()));
            this.#wait = Math.min(LONGEST_WAIT_MS, this.#wait * 2);
        };
    }
    #say(fields) {
        if (this.#socket?.readyState === 1)
            this.#socket.send(JSON.stringify(fields));
    }
    #take(text) {
        const message = JSON.parse(text);
        if (message.type === "pong") {
            this.#heard = { t0: message.t0, t3: performance.now() };
            this.#roundTrip = Math.min(this.#roundTrip, this.#heard.t3 - this.#heard.t0);
            if (++this.#pongs >= CLOCK_PONGS && !this.#clocked)
                this.#sendTrials();
            return;
        }
        if (typeof message.seq === "number" && !this.#count(message))
            return;
        if (message.type === "welcome")
            this.#welcome(message);
        else if (message.type === "focus") {
            const focus = message;
            if (isSimulated(focus) && !this.#focus.has(focus.stream)) {
                console.warn(`SIMULATED: the scores of '${focus.stream}' come from no live headset`);
            }
            this.#focus.set(focus.stream, { message: focus, at: performance.now() });
        }
        else if (message.type === "difficulty") {
            const difficulty = message;
            this.#difficulty.set(difficulty.stream, difficulty);
        }
        else if (message.type === "ack")
            this.#acknowledged(`${message.run} ${message.trial}`);
        else if (message.type === "error" && "trial" in message && !this.#refused(message))
            return;
        else if (message.type === "subscribed" && !this.#subscribed(message))
            return;
        this.#emit(message.type, message);
        this.#settle();
    }
    #settle() {
        const all = !this.#unacknowledged.size, now = performance.now();
        for (const one of this.#settling) {
            if (!all && !this.#closed && now < one.until)
                continue;
            this.#settling.delete(one);
            one.resolve(all);
        }
    }
    #acknowledged(key) {
        const stream = this.#unacknowledged.get(key)?.stream;
        this.#unacknowledged.delete(key);
        if (stream !== undefined && this.#missing.delete(stream))
            this.#resend();
    }
    // Takes in an error that names a trial; false where the program was told the same before.
    #refused(message) {
        if (NOT_YET.has(message.code))
            return true;
        const key = `${message.run} ${message.trial}`;
        const stream = this.#unacknowledged.get(key)?.stream;
        if (message.code !== NO_SUCH_STREAM || stream === undefined) {
            this.#unacknowledged.delete(key);
            return true;
        }
        const told = this.#missing.has(stream);
        this.#missing.add(stream);
        return !told;
    }
    // Notes which topics wait for their stream; false where the program was told the same before.
    #subscribed(message) {
        const waited = this.#unheard.delete(message.id);
        const missing = message.refused.filter((one) => one.code === NO_SUCH_STREAM).map((one) => one.topic);
        if (missing.length)
            this.#unheard.set(message.id, missing);
        return !waited || message.accepted.length > 0;
    }
    #welcome(message) {
        this.connections += 1;
        this.#wait = FIRST_WAIT_MS;
        this.#streams = message.streams.map((view) => view.id);
        if (this.#epoch !== message.epoch)
            this.#seen.clear();
        this.#epoch = message.epoch;
        this.#ready = true;
        this.#pingDue = 0;
        this.#resendDue = performance.now() + RESEND_EVERY_MS;
        this.#clockDue = performance.now() + CLOCK_PATIENCE_MS;
        for (const stream of this.#streams)
            this.#missing.delete(stream);
        this.#unheard.clear();
        this.#wishes.forEach((wish, index) => this.#ask(wish, index + 1));
    }
    #ask(wish, id) {
        const seen = Object.fromEntries([...this.#seen].map(([stream, topics]) => [stream, Object.fromEntries(topics)]));
        this.#say({ type: "subscribe", id, ...wish, ...(this.#seen.size && { since: { epoch: this.#epoch, ...seen } }) });
    }
    #sendTrials() {
        this.#clocked = true;
        this.#resend();
    }
    // Sends what is owed, the oldest first; of a missing stream one trial, which asks whether it is there again.
    #resend() {
        if (!this.#clocked)
            return;
        const asked = new Set();
        let left = AT_ONCE;
        for (const fields of this.#unacknowledged.values()) {
            if (asked.has(fields.stream))
                continue;
            if (this.#missing.has(fields.stream))
                asked.add(fields.stream);
            this.#say(fields);
            if (--left === 0)
                return;
        }
    }
    #tick() {
        this.#settle();
        if (!this.#ready)
            return;
        const now = performance.now();
        if (now >= this.#pingDue && (this.#pongs >= this.#pings || now >= this.#pingDue + PONG_PATIENCE_MS)) {
            this.#pingDue = now + (++this.#pings < FIRST_PINGS ? TICK_MS : PING_EVERY_MS);
            this.#say({ type: "ping", t0: now, ...(this.#heard && { previous: this.#heard }) });
        }
        if (!this.#clocked && now >= this.#clockDue)
            this.#sendTrials();
        if (now >= this.#resendDue) {
            this.#resendDue = now + RESEND_EVERY_MS;
            this.#resend();
            for (const [id, topics] of this.#unheard)
                this.#ask({ ...this.#wishes[id - 1], topics }, id);
        }
    }
    // Counts a numbered message; false where it came before.
    #count(message) {
        const seen = this.#seen.get(message.stream) ?? new Map();
        this.#seen.set(message.stream, seen);
        const last = seen.get(message.type);
        if (last !== undefined && message.seq <= last)
            return false;
        if (last !== undefined && !this.#thinned.has(message.type))
            this.missed += message.seq - last - 1;
        seen.set(message.type, message.seq);
        return true;
    }
    #emit(type, message) {
        for (const listener of this.#listeners.get(type) ?? [])
            listener(message);
    }
}
