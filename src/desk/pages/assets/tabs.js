// Two tabs never work on one transaction: a tab that was duplicated has the other's memory, and must not go on with it.

const TRIES = 4;
const WAIT_MS = 250;

/** Takes a transaction for this tab; returns what gives it back, or null where another tab has it. */
export async function claim(transactionId, locks = globalThis.navigator?.locks) {
  if (!locks) return () => {};
  // A page that is being left gives its claim back a moment after the next one begins.
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (tries > 0) await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    const release = await new Promise((resolve) => {
      locks.request(`chinhchu.transaction.${transactionId}`, { ifAvailable: true }, (lock) => {
        if (!lock) return resolve(null);
        return new Promise((end) => resolve(end));
      });
    });
    if (release) return release;
  }
  return null;
}
