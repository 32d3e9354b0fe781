/** Ways in which terminals show pictures. */
export type ImageProtocol = "iterm2" | "kitty";

const KITTY_CHUNK = 4096;

/**
 * Tells from its environment how a terminal shows pictures. Multiplexers do not pass them on.
 *
 * @param environment Environment variables.
 * @returns The protocol, or nothing where none is known.
 */
export function imageProtocol(environment: Readonly<Record<string, string | undefined>>): ImageProtocol | undefined {
  const { TERM = "", TERM_PROGRAM = "", LC_TERMINAL = "", KITTY_WINDOW_ID, TMUX, STY } = environment;
  if (TMUX || STY || TERM.startsWith("screen") || TERM.startsWith("tmux")) return undefined;
  if (KITTY_WINDOW_ID || TERM === "xterm-kitty" || TERM === "xterm-ghostty" || TERM_PROGRAM === "ghostty") {
    return "kitty";
  }
  if (["iTerm.app", "WezTerm", "mintty"].includes(TERM_PROGRAM) || LC_TERMINAL === "iTerm2") return "iterm2";
  return undefined;
}

/**
 * Writes a PNG as what a terminal shows as a picture.
 *
 * @param png The PNG's bytes.
 * @param protocol How the terminal wants it.
 * @returns The escape sequence, with a line break behind.
 */
export function terminalImage(png: Uint8Array, protocol: ImageProtocol): string {
  const text = png.toBase64();
  if (protocol === "iterm2") {
    return `\u001b]1337;File=inline=1;size=${png.length};preserveAspectRatio=1:${text}\u0007\n`;
  }
  const parts = text.match(new RegExp(`.{1,${KITTY_CHUNK}}`, "g")) ?? [""];
  return parts.map((part, index) => {
    const more = index < parts.length - 1 ? 1 : 0;
    return `\u001b_G${index === 0 ? `a=T,f=100,m=${more}` : `m=${more}`};${part}\u001b\\`;
  }).join("") + "\n";
}
