import { runFixture } from '../helpers/fixture'

describe('forks under garbage collection, compilation, a saturated pool and a busy Worker', () => {
  it('all give a child with the right digest', async () => {
    const args = ['--forks', '20', '--objects', '10000', '--pbkdf2', '4', '--json']
    expect(await runFixture<object>('stress', args)).toMatchObject({ forks: 20, failures: 0 })
  })
})
