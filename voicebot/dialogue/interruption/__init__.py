"""Does speech over the bot's voice interrupt it?"""
