/** A message in the chat-completions protocol's shape. */
export type Message =
  | { role: "system" | "developer"; content: string | TextPart[]; name?: string }
  | { role: "user"; content: string | MessagePart[]; name?: string }
  | { role: "assistant"; content?: string | TextPart[] | null; name?: string; tool_calls?: ToolCall[] }
  | { role: "tool"; content: string | TextPart[]; tool_call_id: string };

/** A message that may be given in a placeholder's place: only the prompt itself instructs. */
export interface GivenMessage {
  readonly role: "user" | "assistant" | "tool";
  readonly content?: string | readonly unknown[] | null;
  readonly name?: string;
  readonly tool_call_id?: string;
  readonly tool_calls?: readonly unknown[];
}

/** A part of a message's content: text, an image, a sound or a file. */
export type MessagePart =
  | TextPart
  | { type: "image_url"; image_url: { url: string; detail?: "auto" | "low" | "high" } }
  | { type: "input_audio"; input_audio: { data: string; format: "wav" | "mp3" } }
  | { type: "file"; file: { file_id?: string; file_data?: string; filename?: string } };

export interface TextPart {
  type: "text";
  text: string;
}

export interface ToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

/** A tool in the chat-completions protocol's shape. */
export interface Tool {
  type: "function";
  function: { name: string; description?: string; parameters?: Record<string, unknown>; strict?: boolean | null };
}

export type ResponseFormat =
  | { type: "text" }
  | { type: "json_object" }
  | { type: "json_schema"; json_schema: { name: string; schema?: Record<string, unknown>; strict?: boolean | null } };

/** The body of a chat-completions request: messages, and everything else that the prompt declares. */
export interface Request {
  model: string;
  messages: Message[];
  tools?: Tool[];
  response_format?: ResponseFormat;
  [parameter: string]: unknown;
}

/** An input as the prompt declares it. */
export interface DeclaredInput {
  readonly name: string;
  readonly required: boolean;
  readonly default?: unknown;
}

type Given<Inputs> = {} extends Inputs ? [inputs?: Inputs] : [inputs: Inputs];

/** A prompt: its data, and how its messages are made. `Output` is the reply as data, by the prompt's output schema. */
export interface Prompt<Inputs, Output> {
  readonly id: string;
  /** The number of the version that was exported; null for that of the work tree. */
  readonly version: number | null;
  readonly digest: string;
  /** The model that the prompt names, or null. */
  readonly model: string | null;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly tools: readonly Tool[];
  readonly responseFormat: ResponseFormat | null;
  readonly inputs: readonly DeclaredInput[];
  /** Return the messages for these inputs. Throws `RenderError` for inputs that are missing or that no input is. */
  render(...inputs: Given<Inputs>): Message[];
  /** Return the body of a chat-completions request. Throws `RenderError`, also if the prompt names no model. */
  request(...inputs: Given<Inputs>): Request;
  /**
   * Return a reply's JSON as data, without a block of reasoning before it or a code fence around it. It is not checked
   * against the schema. Throws `SyntaxError`.
   */
  parse(reply: string): Output;
}

/** Error of inputs that do not fit the prompt, or of a template that fails with them. */
export class RenderError extends Error {
  /** The line of the template, if one failed. */
  readonly line?: number;
}

/** Return the prompt of generated data. */
export function prompt<Inputs, Output>(data: object): Prompt<Inputs, Output>;
