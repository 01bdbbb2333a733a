"""Has the user said all that they want to say?"""
