/** One word for a POSIX shell: sshd gives the remote command to the user's shell, so every argument is quoted whole. */
export function quoteWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command line as a person would type it, and as ssh sends it. */
export function quoteCommand(command: string, args: readonly string[]): string {
  return [command, ...args].map(quoteWord).join(' ');
}
