/** Lets one caller at a time wait until something holds. */
export class Condition {
  #waiter: PromiseWithResolvers<void> & { holds(): boolean } | undefined;

  /** Waits until `holds` returns true, which is asked now and by each `check`. */
  async wait(holds: () => boolean): Promise<void> {
    if (holds()) return;
    this.#waiter = { ...Promise.withResolvers<void>(), holds };
    await this.#waiter.promise;
  }

  /** Ends the wait if what it waits for holds now. */
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
