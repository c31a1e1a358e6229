/** Something is not as it should be: told in one line, exit code `PROBLEM`. The message says what to do. */
export class Problem extends Error {}
