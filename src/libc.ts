/** The version of the GNU C library that this process runs on; undefined with musl, and where the system has neither. */
export function glibcVersion(): string | undefined {
  // Node's types of this version do not know the option yet.
  const report: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report
  const excludeNetwork = report.excludeNetwork ?? false
  // Else each of the machine's addresses would be looked up by name.
  report.excludeNetwork = true
  const { header } = report.getReport() as { header: { glibcVersionRuntime?: string } }
  report.excludeNetwork = excludeNetwork
  return header.glibcVersionRuntime
}

export function usesGlibc(): boolean {
  return glibcVersion() !== undefined
}
