/** Lets one caller at a time wait until a condition holds. */
export class Condition {
  #waiter: PromiseWithResolvers<void> & { holds(): boolean } | undefined;

  /** Waits until `holds` returns true; it is called now and by each `check`. */
  async wait(holds: () => boolean): Promise<void> {
    if (holds()) return;
    this.#waiter = { ...Promise.withResolvers<void>(), holds };
    await this.#waiter.promise;
  }

  /** Ends the wait if its condition holds now. */
  check(): void {
    if (!this.#waiter?.holds()) return;
    this.#waiter.resolve();
    this.#waiter = undefined;
  }

  /** Ends the wait with an error. */
  fail(error: Error): void {
    this.#waiter?.reject(error);
    this.#waiter = undefined;
  }
}
