import type { Browser, Page } from 'playwright-core'
import { describeUnless } from '../../../test/helpers/store-fixture'
import { reasonAgainstChromium, startChromium } from './chromium'
import { StatusFixture } from './status-fixture'

describeUnless(reasonAgainstChromium, 'status page in a browser', () => {
  let browser: Browser
  let exchange: StatusFixture
  let page: Page
  const faults: string[] = []

  beforeAll(async () => {
    browser = await startChromium()
  })

  afterAll(async () => {
    await browser?.close()
  })

  beforeEach(async () => {
    exchange = await StatusFixture.start()
    page = await browser.newPage({ viewport: { width: 1280, height: 1000 } })
    page.setDefaultTimeout(10_000)
    faults.length = 0
    page.on('pageerror', (error) => faults.push(String(error)))
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
    page.on('request', (request) => new URL(request.url()).origin !== exchange.url && faults.push(request.url()))
    await page.goto(exchange.url)
    await page.getByText('all well').waitFor()
  })

  afterEach(async () => {
    await page.close()
    await exchange.end()
  })

  /** The first row of the table of snapshots, once it says so. */
  const snapshotRow = async (status: string) => {
    const row = page.locator('#snapshots tbody tr').first()
    await row.getByText(status, { exact: true }).waitFor()
    return row
  }

  it('shows the figures of the engine', async () => {
    const { users, openOrders, orderId, tradeId } = JSON.parse(await exchange.say('trade 3000')) as Record<
      string,
      number
    >
    const tile = (name: string, value: number | undefined) =>
      page.locator('#tiles div', { hasText: name }).getByText(value?.toLocaleString('en') ?? '', { exact: true })
    await tile('Orders ever', orderId).waitFor()
    await tile('Open orders', openOrders).waitFor()
    await tile('Trades ever', tradeId).waitFor()
    await tile('Users', users).waitFor()
    await tile('Unsaved changes', 3000).waitFor()
    expect(await page.locator('#markets tbody tr').allInnerTexts()).toHaveLength(4)
    expect(faults).toEqual([])
  })

  it('draws the delay of the event loop and marks each fork', async () => {
    await exchange.say('block 300')
    await exchange.say('save')
    await exchange.say('save')
    await page.locator('#chart line.fork').nth(1).waitFor({ state: 'attached' })
    const path = (await page.locator('#chart path.line').getAttribute('d')) ?? ''
    const heights = [...path.matchAll(/[\d.]+,([\d.]+)/g)].map(([, y]) => Number(y))
    expect(heights.length).toBeGreaterThan(2)
    // The pause of 300 ms stands out: what the greatest label stands for is as high as the uppermost line of the grid.
    const gridY = async (line: 'first' | 'last') =>
      Number(await page.locator('#chart .grid')[line]().getAttribute('y1'))
    const [zero, top] = [await gridY('first'), await gridY('last')]
    const labels = await page.locator('#chart text').allTextContents()
    const topMs = Math.max(...labels.filter((label) => label.endsWith(' ms')).map((label) => parseFloat(label)))
    const longestMs = ((zero - Math.min(...heights)) / (zero - top)) * topMs
    expect(longestMs).toBeGreaterThan(280)
    expect(longestMs).toBeLessThan(topMs)
    expect(await page.locator('#chart rect.child').count()).toBe(2)
    expect(faults).toEqual([])
  })

  it('tells the delay under the pointer', async () => {
    await page.locator('#chart path.line').waitFor()
    await page.locator('#chart').hover({ position: { x: 900, y: 100 } })
    expect(await page.locator('#tip').innerText()).toMatch(/^\d\d:\d\d:\d\d {2}[\d.]+ ms/)
    await page.locator('h1').hover()
    expect(await page.locator('#tip').isHidden()).toBe(true)
  })

  it('fills the table of snapshots', async () => {
    const { rows } = JSON.parse(await exchange.say('save')) as { rows: number }
    const cells = await (await snapshotRow('saved')).locator('td').allInnerTexts()
    expect(cells[0]).toMatch(/^\d\d:\d\d:\d\d$/)
    expect(cells.slice(1, 3)).toEqual(['1', 'manual'])
    for (const time of cells.slice(3, 6)) expect(time).toMatch(/^[\d.]+ ms$/)
    expect(cells[6]).toBe(rows.toLocaleString('en'))
    for (const size of cells.slice(7, 9)) expect(size).toMatch(/^[\d.]+ (kB|MB)$/)
    expect(cells[9]).toMatch(/^[\d.]+ s$/)
    expect(await page.getByText('1 saved, 0 failed since the start').isVisible()).toBe(true)
    expect(await page.locator('#store').innerText()).toMatch(/Slices kept\s+1, /)
    expect(await page.locator('#log').innerText()).toMatch(/takes entries/)
  })

  it('shows a snapshot that is running, and then its end', async () => {
    await exchange.say('hold')
    await snapshotRow('running')
    await exchange.say('let-go')
    await snapshotRow('saved')
    expect(await page.locator('#snapshots tbody tr').count()).toBe(1)
  })

  it('shows a failed snapshot in red, with its error as plain text', async () => {
    const attack = `<img src="x" onerror="document.title='owned'"><script>document.title='owned'</script>`
    expect(await exchange.say(`fail ${attack}`)).toBe('failed')
    const row = await snapshotRow('failed')
    const colour = await page.evaluate<string>("getComputedStyle(document.querySelector('#snapshots tbody td')).color")
    const [red = 0, green = 0, blue = 0] = colour.match(/\d+/g)?.map(Number) ?? []
    expect(red).toBeGreaterThan(1.5 * Math.max(green, blue))
    expect(await row.innerText()).toContain(attack)
    await page.locator('#chart line.fork.failed').waitFor({ state: 'attached' })
    expect(await page.locator('#state').innerText()).toBe('last save failed')
    expect(await page.locator('#trouble').innerText()).toContain(attack)
    expect(await page.title()).toBe('Exchange · status')
    expect(await page.locator('img').count()).toBe(0)

    await exchange.say('save')
    await page.getByText('all well').waitFor()
    expect(await page.locator('#trouble').isHidden()).toBe(true)
    expect(faults).toEqual([])
  })

  it('says that writes are refused and why', async () => {
    await exchange.say('refuse the disk is full')
    await page.getByText('Writes are refused: the disk is full').waitFor()
    expect(await page.locator('#state').innerText()).toBe('writes refused')
    await exchange.say('accept')
    await page.getByText('all well').waitFor()
  })

  it('says that the store does not answer', async () => {
    await exchange.say('break-store the disk was pulled')
    await exchange.say('save').catch(() => undefined)
    await page.getByText('The store does not answer: the disk was pulled').waitFor()
  })

  it('says that the server is gone', async () => {
    await exchange.end()
    await page.getByText('server does not answer').waitFor()
  })
})
