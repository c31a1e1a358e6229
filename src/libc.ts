/** Whether this process runs on the GNU C library; false with musl, and where the system has neither. */
export function usesGlibc(): boolean {
  // Node's types of this version do not know the option yet.
  const report: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report
  const excludeNetwork = report.excludeNetwork ?? false
  // Else each of the machine's addresses would be looked up by name.
  report.excludeNetwork = true
  const { header } = report.getReport() as { header: { glibcVersionRuntime?: string } }
  report.excludeNetwork = excludeNetwork
  return header.glibcVersionRuntime !== undefined
}
