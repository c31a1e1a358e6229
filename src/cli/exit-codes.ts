/** Exit codes of every command but `exec`, whose own is that of the program that it runs. */

/** Something was looked at and is not as it should be (damage, a failed check), or could not be done. */
export const PROBLEM = 1
/** The command line is wrong, and nothing was done. */
export const WRONG_USAGE = 2
/** What a shell makes of a program that SIGPIPE ends: whoever read the output has gone (`| head`). */
export const READER_GONE = 141
