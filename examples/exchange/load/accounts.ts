import { Account } from './account'
import type { LoadClients } from './client'
import { startingFunds } from './orders'

/** Registrations at a time: enough to keep a server busy, few enough for any. */
const AT_A_TIME = 50

/** Registers users for this run and gives them their starting funds. They are new ones, so no other run disturbs them. */
export async function registerAccounts(clients: LoadClients, count: number): Promise<Account[]> {
  const accounts: Account[] = []
  for (let done = 0; done < count; done += AT_A_TIME) {
    const batch = Array.from({ length: Math.min(AT_A_TIME, count - done) }, (_, i) => register(clients, done + i))
    accounts.push(...(await Promise.all(batch)))
  }
  return accounts
}

/** The business id of every starting deposit is the user's own id, which the flow sends once more now and then. */
async function register(clients: LoadClients, connection: number): Promise<Account> {
  const { user_id } = await clients.call(connection, 'RegisterUser', {})
  const id = Number(user_id)
  await Promise.all(
    [...startingFunds()].map(([asset, delta]) => {
      const request = { user_id: id, asset, business: 'load', business_id: String(id), delta, detail: '{}' }
      return clients.call(connection, 'BalanceUpdate', request)
    }),
  )
  return new Account(id, connection)
}
