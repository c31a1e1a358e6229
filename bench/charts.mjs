/**
 * Draws charts as SVG: a specification of Vega-Lite in, the text of an `<svg>` element out. It lies here, and not in `lib`,
 * to find the packages of `bench/node_modules`, which only `npm run bench` installs.
 */
import { compile } from 'vega-lite'
import { parse, View } from 'vega'

export async function draw(spec) {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}
