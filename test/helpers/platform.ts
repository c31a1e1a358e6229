/**
 * For what only Linux has: the portable build does without it, as other systems do, and so do the tests of it
 * (`npm run test:portable`, docs/portable.md).
 */
export const onLinux = process.platform === 'linux' && process.env.FORKSNAP_PORTABLE === undefined

export const itOnLinux: jest.It = onLinux ? it : it.skip
export const describeOnLinux: jest.Describe = onLinux ? describe : describe.skip
