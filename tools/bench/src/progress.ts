/** Where progress is shown: standard error, or what stands in for it. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** What is being done, for whoever waits. */
export interface Progress {
  /** Shows `doing`; what is the same up to a colon is shown but once where there is no terminal. */
  show(doing: string): void;
  /** Removes what a terminal shows. */
  end(): void;
}

/** On a terminal one line that is written over itself; elsewhere a line for each step. */
export function showProgress(output: ProgressOutput): Progress {
  let step = "";
  return {
    show: (doing) => {
      if (output.isTTY === true) {
        output.write(`\r${doing}\u001b[K`);
        return;
      }
      const [begun = ""] = doing.split(":");
      if (begun !== step) output.write(`${begun}\n`);
      step = begun;
    },
    end: () => {
      if (output.isTTY === true) output.write("\r\u001b[K");
    },
  };
}
