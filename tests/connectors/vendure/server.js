// A whole Vendure with its database in memory, for tests. Says on its output where it listens, does what lines on its
// input ask for, and ends when its input does, which is when whoever started it is gone.
'use strict';

const fs = require('node:fs');
const readline = require('node:readline');
const {
  bootstrap, dummyPaymentHandler, DefaultLogger, LogLevel, RequestContext, SessionService, TransactionalConnection,
  UserService,
} = require('@vendure/core');

const { VENDURE_PASSWORD: password, VENDURE_SEED: seed } = process.env;
const seeded = fs.existsSync(seed);

const config = {
  apiOptions: { hostname: '127.0.0.1', port: 0, adminApiPath: 'admin-api', shopApiPath: 'shop-api', cors: false },
  authOptions: {
    tokenMethod: ['bearer'],
    superadminCredentials: { identifier: 'superadmin', password },
    requireVerification: false,
  },
  catalogOptions: {
    // What a buyer may still order, as a number: that is what the tests speak of.
    stockDisplayStrategy: { getStockLevel: (_ctx, _variant, saleable) => String(saleable) },
  },
  dbConnectionOptions: {
    type: 'sqljs',
    location: seeded ? seed : undefined,
    autoSave: false,
    synchronize: !seeded,
    logging: false,
  },
  logger: new DefaultLogger({ level: LogLevel.Error, timestamp: false }),
  paymentOptions: { paymentMethodHandlers: [dummyPaymentHandler] },
};

function say(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

async function main() {
  const app = await bootstrap(config);
  const database = app.get(TransactionalConnection).rawConnection;
  const deeds = {
    save: async () => {
      await database.driver.save(seed);
      return { saved: seed };
    },
    // Time of change is Vendure's own: only the database can be told another.
    age: async ({ table, id, at }) => {
      await database.query(`UPDATE "${table}" SET "updatedAt" = ? WHERE "id" = ?`, [at, id]);
      return { aged: id };
    },
    lose: async ({ id, units }) => {
      await database.query('UPDATE "stock_level" SET "stockAllocated" = "stockAllocated" - ? WHERE "id" = ?', [units, id]);
      return { lost: units };
    },
    forget: async ({ user }) => {
      const ctx = RequestContext.empty();
      const found = await app.get(UserService).getUserByEmailAddress(ctx, user, 'administrator');
      await app.get(SessionService).deleteSessionsByUser(ctx, found);
      return { forgot: user };
    },
  };
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('close', () => process.exit(0));
  lines.on('line', async line => {
    const asked = JSON.parse(line);
    say(await deeds[asked.do](asked));
  });
  say({ port: app.getHttpServer().address().port });
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});
