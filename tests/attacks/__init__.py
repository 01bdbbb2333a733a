"""`make attack`: what one stranger can do to everybody else who talks to the bot.

The real app runs on loopback with honest users in it while attackers, in processes of their own and from addresses of
their own (127.x.y.z), try what once hurt others: a review found that, and the D in each name is its number there. The
harness measures what the honest users feel.

To add an attack, write a coroutine in a module here (a new module is to be named in `catalogue.MODULES`):

    @attack("D99")
    async def long_paths(on: Target) -> None:
        '''Requests with paths of 60 kB.'''
        async with on.http() as http:
            async for _ in on.every(0.01):
                response = await on.request(http, "GET", "/" + "x" * 60_000)
                on.expect(response is None or response.status_code >= 400, "a path of 60 kB was answered")

It runs until it is stopped, from `on.addresses`; `make attack ARGS=long-paths` runs it alone, and the suite runs it for
a second (`test_attacks.py`). What is expected of every attack stands in `judge.py`, and `on.expect` adds what is
expected of this one.
"""
