/** What has to be undone at the end, however it comes: the last thing made is the first to go. */
export class CleanUp {
  private readonly steps: { what: string; undo: () => Promise<void> }[] = [];
  private running: Promise<boolean> | undefined;

  /** To be called before the thing is made where `undo` can bear that it was not. */
  add(what: string, undo: () => Promise<void>): void {
    this.steps.push({ what, undo });
  }

  /** Undoes all, whatever of it fails; says what did, and whether there was anything and all of it went. Once. */
  run(say: (line: string) => void): Promise<boolean> {
    this.running ??= this.undoAll(say);
    return this.running;
  }

  private async undoAll(say: (line: string) => void): Promise<boolean> {
    let all = this.steps.length > 0;
    for (let step = this.steps.pop(); step; step = this.steps.pop()) {
      try {
        await step.undo();
      } catch (error) {
        all = false;
        say(`Could not end ${step.what}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return all;
  }
}
