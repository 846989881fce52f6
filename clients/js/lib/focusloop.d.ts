export declare const VERSION = "0.1.0";
export type Topic = "focus" | "status" | "quality" | "bands" | "spectrum" | "raw" | "gaze" | "difficulty" | "trial" | "marker" | "calibration" | "proposal" | "explanation" | "neurofeedback";
interface Numbered {
    stream: string;
    epoch: string;
    seq: number;
}
/** A focus score: valid, or null with a reason. */
export interface Focus extends Numbered {
    type: "focus";
    t_unix_s: number;
    t_lsl_s: number | null;
    origin: "live" | "file" | "simulator";
    value: number | null;
    steady: number | null;
    relative: number | null;
    raw: number | null;
    valid: boolean;
    reason: string | null;
    confidence: number | null;
    quality: number | null;
    calibrated: boolean;
}
/** The next difficulty, 0 easiest to 1 hardest, with its reason. */
export interface Difficulty extends Numbered {
    type: "difficulty";
    t_unix_s: number;
    level: number;
    previous: number;
    reason: string;
    policy: string;
    target: number;
    state: "running" | "holding";
    after: {
        run: string;
        trial: number;
        t_trial_lsl_s: number | null;
        uncertainty_s: number | null;
    } | null;
}
/** What is rewarded, moment by moment: nothing where it is not valid, and `reason` says why. */
export interface Neurofeedback extends Numbered {
    type: "neurofeedback";
    t_unix_s: number;
    t_lsl_s: number;
    origin: "live" | "file" | "simulator";
    state: "rest" | "running" | "failed";
    detail: string;
    warnings: string[];
    progress: number;
    valid: boolean;
    reason: string | null;
    rewarded: boolean;
    brightness: number | null;
    rewards: number;
    predicted: number | null;
    share_met: number | null;
    criteria: {
        name: string;
        side: "reward" | "inhibit";
        unit: "dB" | "1";
        reading: number | null;
        threshold: number | null;
        met: boolean | null;
    }[];
}
/** How each electrode does. */
export interface Quality extends Numbered {
    type: "quality";
    channels: {
        label: string;
        contact: boolean;
        flags: string[];
        usable: number;
    }[];
}
/** Progress of a baseline or of a guided calibration. */
export interface Calibration extends Numbered {
    type: "calibration";
    state: "running" | "done" | "refused" | "cancelled";
    phase: string | null;
    progress: number;
    code: string | null;
    message: string;
}
interface Stamped extends Numbered {
    t_unix_s: number;
    t_lsl_s: number;
    uncertainty_ms: number | null;
    stamped: "client" | "arrival" | "file";
}
/** A trial as it was counted, whoever sent it. */
export interface CountedTrial extends Stamped {
    type: "trial";
    run: string;
    trial: number;
    task: string;
    block: number | null;
    correct: boolean;
    rt_ms: number | null;
    level: number | null;
}
/** A marker that a client sent. */
export interface Marker extends Stamped {
    type: "marker";
    label: string;
}
/** Something that a person may accept or refuse: a rest, the next task, a new baseline. */
export interface Proposal extends Numbered {
    type: "proposal";
    t_unix_s: number;
    kind: string;
    text: string;
    evidence: Record<string, number | string | null>;
}
export interface Status extends Numbered {
    type: "status";
    state: string;
    detail: string;
}
export interface Acknowledged {
    type: "ack";
    run: string;
    trial: number;
    duplicate: boolean;
    uncertainty_ms: number | null;
}
export interface Lagged {
    type: "lagged";
    stream: string;
    topic: string;
    missed: number;
}
export interface Refused {
    type: "error";
    code: string;
    message: string;
    run?: string;
    trial?: number;
}
export interface Welcome {
    type: "welcome";
    server: string;
    epoch: string;
    streams: {
        id: string;
        [key: string]: unknown;
    }[];
}
export interface Denied {
    type: "denied";
    code: number;
    reason: string;
}
export interface Disconnected {
    type: "disconnected";
    code: number;
    reason: string;
}
export interface Messages {
    focus: Focus;
    difficulty: Difficulty;
    neurofeedback: Neurofeedback;
    status: Status;
    quality: Quality;
    calibration: Calibration;
    trial: CountedTrial;
    marker: Marker;
    proposal: Proposal;
    ack: Acknowledged;
    lagged: Lagged;
    error: Refused;
    welcome: Welcome;
    denied: Denied;
    disconnected: Disconnected;
    [other: string]: unknown;
}
export interface Options {
    /** `ws://host:port` or `http://host:port`; in a page the service's own address by default. */
    url?: string;
    token?: string;
    /** Participant that trials are for and that is listened to; left out where the service has only one. */
    stream?: string;
    /** Name and version of the program. */
    client?: string;
}
export interface Trial {
    correct: boolean;
    rt_ms?: number | null;
    stream?: string;
    task?: string;
    block?: number;
    /** Level that the trial was done at; the newest one heard by default. */
    level?: number;
}
/** True where a score comes from no live headset: show SIMULATED in words then. */
export declare const isSimulated: (told: Focus | Neurofeedback) => boolean;
/** A client that connects, connects again, resumes where it stopped, and sends trials until they are acknowledged. */
export declare class FocusLoop {
    #private;
    /** Names this run: made at random, so that no two programs ever send the same trial. */
    readonly run: string;
    /** How often a connection was welcomed. */
    connections: number;
    /** Numbered messages that never came. */
    missed: number;
    constructor(options?: Options);
    get connected(): boolean;
    get unacknowledged(): number;
    /** Call back for each message of a type; gives a function that ends it. */
    on<K extends keyof Messages & string>(type: K, listener: (message: Messages[K]) => void): () => void;
    /** Listen to topics of a stream, the client's own by default ("*", and the default where it has none, is everyone), on this
     *  connection and each later one; what was missed in between is asked for, and a stream that is not there yet until it is. */
    subscribe(topics: Topic[], options?: {
        stream?: string;
        rate_hz?: number;
    }): void;
    /** The newest focus score; null where there is none, or it is older than 2 s. */
    focus(stream?: string): Focus | null;
    /** The newest difficulty; null before there was one. */
    difficulty(stream?: string): Difficulty | null;
    /** Send an answered trial, again and again until the service has acknowledged it; gives its number. One for a stream that the
     *  service does not have is kept, too: the program gets one `error`, and the stream is asked for every 5 s. Throws where the
     *  service does not let this client in. */
    trial(trial: Trial): number;
    /** Let go of a trial that is not acknowledged: it is not sent again. */
    drop(trial: number): void;
    /** Say that something happened, now; everyone who listens to `marker` hears it. Not sent again if it is lost. */
    marker(label: string, stream?: string): void;
    /**
     * Resolves to true once every trial is acknowledged, to false where time ran out or the client was closed; rejects where
     * trials are owed and the service does not let this client in.
     */
    settle(timeout_ms?: number): Promise<boolean>;
    close(): void;
}
export {};
