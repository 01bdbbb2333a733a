/** What the server sends, as `voicebot/dialogue/view.py`, `voicebot/session/messages.py` and `voicebot/web/server.py` make it. */

export interface Message {
  role: "user" | "assistant" | "tool";
  /** A user's words. */
  text?: string;
  interim?: boolean;
  /** The assistant's words on either side of the playback cursor. */
  heard?: string;
  unheard?: string;
  interrupted?: boolean;
  live?: boolean;
  /** The call of a tool. */
  id?: string;
  tool?: string;
  status?: string;
  /** The beginning of a JSON object. */
  arguments?: string;
  result?: string;
}

/** The question whether a tool may be called, which the user's next words answer. */
export interface Confirmation {
  id: string;
  tool: string;
  question: string;
  /** The texts that answer it. */
  yes: string;
  no: string;
}

export interface Verdict {
  number: number;
  decision: string;
  rule: string;
  reason: string;
  text: string;
  took_ms: number;
  disputed: boolean;
  /** A line for the bot's test set, if the verdict is disputed. */
  case?: string;
}

export interface Step {
  name: string;
  from_ms: number;
  to_ms: number;
}

export interface Budget {
  gap_ms: number;
  limit_ms: number;
  /** The step that took the longest. */
  most: string;
  /** The stage whose engine that step waited for. */
  stage: string | null;
  own_ms: number;
  own_limit_ms: number;
}

export interface ServerError {
  code: string;
  message: string;
}

export interface EngineInUse {
  name: string;
  /** Why no engine that comes before it is used. */
  reasons: string[];
}

export interface View {
  phase: string;
  /** A person answers the user in place of the bot. */
  handed_over?: boolean;
  chat: Message[];
  /** How many messages came before those in `chat`. */
  older: number;
  status: Record<string, string>;
  engines?: Record<string, EngineInUse>;
  /** The newest first. */
  verdicts: Verdict[];
  /** The steps of the last turn that have come. */
  turn: Step[];
  /** What ended that turn of the user's. */
  ended_by?: string;
  budget?: Budget | null;
  medians: Record<string, number>;
  confirmation?: Confirmation | null;
  error: ServerError | null;
}

export interface EngineHealth {
  name: string;
  ready: boolean;
  reason: string | null;
  probe_ms: number | null;
  /** The model in use, of a service that has several. */
  model?: string | null;
  /** What else a visitor should know, such as a shutdown that is announced. */
  warning?: string | null;
  /** The operator's own graph that answers with the model. */
  graph?: string | null;
  /** How many tools an MCP server offers. */
  tools?: number | null;
}

export interface HealthReport {
  stages: Record<string, EngineHealth[]>;
  problem: string | null;
  problem_code: string | null;
}

export interface PreferenceOption {
  value: string;
  label: string;
  meaning?: string;
}

export interface EngineOption {
  name: string;
  languages: string[];
  voices: Record<string, PreferenceOption[]>;
  follows_persona: boolean;
}

export interface AvailablePreferences {
  default: Record<string, string>;
  persona: PreferenceOption[];
  language: PreferenceOption[];
  sensitivity: PreferenceOption[];
  endpointing: PreferenceOption[];
  interrupted_history: PreferenceOption[];
  engines: Record<string, EngineOption[]>;
}

export interface IceConfig {
  iceServers: RTCIceServer[];
  /** How long the credentials are valid; null if they do not expire. */
  iceValidS: number | null;
}

export interface Config extends HealthReport, IceConfig {
  engines: Record<string, string>;
  notice: string;
  options: AvailablePreferences;
}

export interface Connected {
  type: "connected";
  session_id: string;
  conversation: string | null;
  recording: string;
  engines: Record<string, string>;
  options: AvailablePreferences;
  ends_in_s: number;
}

export interface Closed {
  type: "closed";
  code?: string;
  reason: string;
}

export type ServerMessage =
  | Connected
  | Closed
  | ({ type: "state" } & View)
  | ({ type: "error" } & ServerError)
  | { type: "telemetry"; stt_bytes: number }
  | { type: "tts.dropped"; text: string }
  | { type: "tool.call"; id: string; tool: string; status: string };
