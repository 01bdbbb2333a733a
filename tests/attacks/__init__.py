"""`make attack` measures the harm that one stranger can do to everybody else who talks to the bot.

The real app runs on loopback with honest users in it. Attackers, in processes and from addresses (127.x.y.z) of their
own, repeat what a review once found to harm others; the D in each name is the number of that finding. The harness
measures the effect on the honest users.

To add an attack, write a coroutine in a module of this package (add a new module to `catalogue.MODULES`):
    @attack("D99")
    async def long_paths(on: Target) -> None:
        '''Sends requests with paths of 60 kB.'''
        async with on.http() as http:
            async for _ in on.every(0.01):
                response = await on.request(http, "GET", "/" + "x" * 60_000)
                on.expect(response is None or response.status_code >= 400, "a path of 60 kB was answered")

The coroutine runs until it is stopped, from `on.addresses`. `make attack ARGS=long-paths` runs it alone, and the test
suite runs it for a second (`test_attacks.py`). `judge.py` has the bounds that hold for every attack; `on.expect` adds
one for this attack.
"""
