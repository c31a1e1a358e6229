/** The middle of the sorted values (the upper one of two); NaN for none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The value below which the given part (0 to 1) of the values lies; NaN for none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly samples: number
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), samples: values.length }
}

/** The slope of the straight line with the least squares through the points; NaN for fewer than two. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (pick: (point: readonly [number, number]) => number): number =>
    points.reduce((sum, point) => sum + pick(point), 0) / points.length
  const [middleX, middleY] = [mean(([x]) => x), mean(([, y]) => y)]
  const products = points.reduce((sum, [x, y]) => sum + (x - middleX) * (y - middleY), 0)
  return products / points.reduce((sum, [x]) => sum + (x - middleX) ** 2, 0)
}
