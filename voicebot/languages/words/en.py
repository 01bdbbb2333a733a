"""English, and the words that every language has borrowed."""

from voicebot.languages.words.vocabulary import Words

INTERNATIONAL = Words(
    agreement="ok, okay, okey, oki, okie, okey dokey, okie dokie, k, kay, yeah, yea, yep, yup, yes",
    reaction="wow, cool, super, bravo, nice, oh my god, omg, yay, oops, ups",
    evaluation="cool, super, nice",
    stop="stop, stopp, shh, sh, psst",
    polite="please, bot, robot, alexa, siri",
)

ENGLISH = Words(
    agreement="""
        ya, yah, yeh, yessir, yes sir, aye, right, right on, righto, sure, sure thing, for sure, surely, alright, all
        right, alrighty, got it, i got it, got that, got you, gotcha, i see, i get it, i get that, i understand,
        understood, i know, i knew it, i hear you, i hear ya, i follow, noted, roger, roger that, copy that, good,
        fine, very well, well done, exactly, exactly right, precisely, absolutely, definitely, certainly, totally,
        obviously, clearly, naturally, indeed, correct, true, true enough, that's true, of course, you bet, by all
        means, no doubt, fair enough, fair, makes sense, that makes sense, it makes sense, makes total sense, i agree,
        agreed, i think so, i think so too, i guess, i guess so, i suppose, i suppose so, i believe so, i bet, i hope
        so, me too, same here, same, works for me, fine by me, fine with me, good to know, nice to know, no problem,
        no worries, all good, that's it, as you say, point taken, good point, good idea, good one, that works, deal,
        yes indeed, perfect, great, i see what you mean, i know what you mean, i get what you mean, i know what you're
        saying, i hear what you're saying, it is, yes it is, it sure is, it really is, it certainly is, it was, so do
        i, i do too, i'd say so, i imagine so, that's for sure, you got it, that's what i thought, i thought so, i
        figured, i figured as much, i can believe that, i can understand that, i don't blame you, sounds about right,
        that's right, alrighty then, cool cool, happy to hear, glad to hear it, glad to hear that, of course of
        course, say no more, you can say that again, as expected, no argument there, can't argue with that, mm yes, i
        remember, i remember that, that's it exactly, exactly that, quite, quite so, quite right, just so, not a
        problem, all clear, crystal clear, clear, okay then, very true, so true, too true, too right, spot on, bingo,
        yes exactly, oh absolutely, for certain, without a doubt, i'd imagine, i would imagine, i think you're right,
        you're absolutely right, whatever you say, sounds like it, sounds like fun, sounds like a plan, good enough,
        good deal, that would be nice, that figures, i feel you, same for me, ditto, likewise, you're right, you're so
        right, you are right, you're welcome, simple enough, true that, sure enough, will do, can do, okay sounds
        good, yes of course, not at all, that's what i heard, i've heard that, i heard that, i heard about that, i
        remember that one, i'm aware, i'm aware of that, i can see that, i can tell, i can relate, i can hear you, i
        believe it, i believe that, i appreciate it, i appreciate that, i like the sound of that, works, great okay,
        very well then, as i thought, just as i thought
    """,
    reaction="""
        really, oh really, seriously, for real, no way, no kidding, you're kidding, are you kidding, you don't say, is
        that so, is that right, did he, did she, did they, did it, does it, do they, has it, have they, wonderful,
        great, perfect, excellent, awesome, amazing, fantastic, brilliant, lovely, sweet, neat, interesting,
        fascinating, incredible, unbelievable, hilarious, impressive, crazy, wild, beautiful, fun, funny, weird,
        strange, oh no, oh boy, oh man, oh dear, oh my, my goodness, goodness, goodness me, oh my gosh, my god, oh
        god, gosh, geez, jeez, holy cow, holy moly, damn, dang, good lord, good grief, good heavens, heavens, man,
        boy, dear me, what a story, poor thing, poor guy, poor you, lucky you, too bad, that's too bad, not bad, i can
        imagine, i imagine, who knew, i had no idea, i didn't know that, i never knew that, love it, love that, i love
        it, i love that, i like it, i like that, like it, hooray, hurray, too funny, too cute, huh, there you go, good
        for you, congratulations, so far so good, just right, great one, i'm impressed, imagine that, lol, goodness
        gracious, how about that, i'll be damned, i'll be darned, what the heck, wow okay, whoa, woah, oh my word,
        good gosh, bless you, bless him, bless her, ouch, yikes, eek, well well, who would have thought, who'd have
        thought, that's something, that's really something, nice one, i wish, oh shoot, shoot, cheers to that, amen,
        oh well, no wonder, small world, what a pity, what a shame, what a day, what a life, never knew that, never
        knew, i never knew, i didn't know, didn't know that, no idea, had no idea, i wasn't aware, wasn't aware of
        that, news to me, that's news to me, learn something new every day, mind blown, blows my mind, i can't believe
        it, can't believe it, can't believe that, i don't believe it, hard to believe, if you say so, i'm surprised,
        surprising, oh yeah, oh yes, oh sure, well done, whoops, good stuff, cool story, i love this, i like this,
        fantastic job, you're funny, ha, hah, huh okay, hot damn, no joke, no lie, bummer, what a bummer, oof, nice
        touch, well i never, my oh my, what do you know, you're kidding me, you're joking, you're hilarious, you've
        got to be kidding, you must be kidding, you must be joking, are you serious, thank god, thank goodness, phew,
        what a relief, easy peasy, so sorry to hear that, sorry to hear that, i'm sorry to hear that, oh how nice, oh
        how sad, ah man, ah dang, that explains it, that explains a lot, now i see, now i get it, now i understand,
        aha i see, good question, great question, interesting question, hm good question
    """,
    opener="""
        that's, that is, this is, it's, it is, that was, it was, how, what a, what an, such a, that's a, it's a, that
        was a, sounds, that sounds, it sounds, this sounds, looks, seems, he's, she's, they're, that'd be, that would
        be, that'll be, that will be, that must be, must be, that must have been, must have been, sounds like, that
        looks, it looks, that seems, it seems, that feels, you must be
    """,
    degree="""
        so, very, really, pretty, quite, absolutely, totally, truly, kind of, a bit, rather, super, extremely,
        incredibly, most, damn, just so, just too, simply, seriously, honestly, definitely, certainly, genuinely,
        downright, awfully, terribly, wonderfully, surprisingly, fairly, somewhat, sort of, quite a, such an, rather
        a, so very, actually quite, actually really, actually pretty
    """,
    evaluation="""
        funny, great, amazing, awesome, interesting, fascinating, wonderful, lovely, beautiful, pretty, good, fine,
        perfect, fantastic, brilliant, incredible, crazy, wild, hilarious, sweet, cute, sad, scary, terrible,
        horrible, impressive, neat, weird, strange, odd, surprising, excellent, right, true, correct, fair, clever,
        smart, fun, exciting, helpful, useful, unbelievable, insane, adorable, charming, touching, delightful,
        remarkable, romantic, magical, delicious, tragic, kidding, joking, shame, pity, heartbreaking, inspiring,
        relaxing, intense, huge, surprise, glad, happy, relieved, amazed, creepy, spooky, gorgeous, cozy, tasty,
        thoughtful, kind, handy, reasonable, logical, unfortunate, unlucky, lucky, tough, rough, dramatic, epic,
        legendary, genius, wise, brave, stunning, breathtaking, relief, easy, simple, nuts, bananas, bonkers, rad,
        sick, dope, lit, solid, decent, promising, reassuring, comforting, encouraging, enlightening, informative,
        educational, entertaining, amusing, mysterious, spectacular, marvelous, marvellous, splendid, superb,
        outstanding, phenomenal, mind blowing, mindblowing, wholesome, heartwarming, moving, poetic, ironic,
        unexpected, unusual, rare, curious, peculiar, dreadful, awful, devastating, unreal, wicked, ideal, ace, swell,
        grand, terrific, fabulous, glorious, elegant, ingenious, affordable, peaceful, tempting, blessing, miracle,
        coincidence, joy, pleasure, treat, classic, bummer, disaster, nightmare, dream, delight, hoot, riot,
        something, something else, understandable, appropriate, accurate, valid, legit, plausible, obvious, clear,
        sensible, wonderfully
    """,
    theme="""
        one, job, touch, stuff, plan, point, story, tale, idea, thing, news, thought, choice, deal, day, to hear, to
        know, to hear that, to know that, of you, of him, of her, of them, for you, for him, for her, then, though,
        indeed, enough, actually, really, too, as well, man, dude, isn't it, right, huh, i guess, i suppose, i think,
        honestly, detail, ending, start, to see, to remember, to learn, to me
    """,
    go_on="""
        go ahead, go on, do go on, go for it, carry on, continue, keep going, keep talking, keep it up, keep it
        coming, proceed, don't stop, do not stop, don't stop talking, and then, please do, i'm listening, i am
        listening, listening, still listening, still here, i'm here, i'm with you, with you, i'm following, following,
        all ears, i'm all ears, you can go on, you can continue, you may continue, you may go on, don't mind me,
        ignore me, i'm still here
    """,
    filler="""
        so, well, and, but, like, you know, i mean, then, or, because, cause, anyway, anyways, let me see, let's see,
        let me think, basically, though, also, hmm well
    """,
    fragment="the, a, an, i, it, of, both of, to, in, at, for, with, from, by, as, if, is",
    polite="assistant, computer, buddy, man, dude, mate, friend, sir, madam, my friend, guys, bro",
    around="""
        now, just, right now, right there, can you, could you, would you, will you, can we, you can, you, for a
        moment, for a second, for a sec, for a minute, for a bit, a second, a sec, a minute, a moment, a bit, for now,
        for me, thanks, thank you, hey, hello, i said, kindly, already, immediately, at once, it, that, there, here,
        talking, speaking, i want you to, i need you to, will ya, would you mind, let's, with it, with that, with the
        story, with your story, the story, your story, telling, reading, telling me, what you were saying, where you
        were, where you left off, from there, explaining, i'm sorry, didn't mean to interrupt, i didn't mean to
        interrupt, i didn't mean to, didn't mean to
    """,
    no="no, nope, nah, nah nah, not yet, sorry, oh sorry, excuse me, my bad, no sorry",
    stop="""
        stop it, stop that, stop this, stop there, stop talking, stop speaking, stop reading, be quiet, quiet, keep
        quiet, shut up, shut it, shut your mouth, silence, be silent, hush, shush, enough, that's enough, that is
        enough, i've heard enough, enough of that, enough already, that will do, that'll do, that's all, wait, hold
        on, hold it, hold up, hang on, never mind, forget it, forget about it, forget that, cancel, cancel that,
        pause, pause it, halt, cut it out, cut it, knock it off, give it a rest, zip it, one moment, one second, one
        sec, one minute, just a moment, just a second, just a sec, just a minute, give me a second, give me a sec,
        give me a moment, give me a minute, time out, i'm done, no more, not now, quit it, quit talking, don't talk,
        do not talk, don't speak, leave it, drop it, leave me alone, end it
    """,
    question="what, whats, who, whos, whose, where, wheres, when, why, how, which, how many, how much",
    request="""
        can you, could you, would you, will you, can i, could i, may i, can we, do you, does, did you, is there, are
        there, is it, are you, tell me, tell us, give me, show me, let me, let's, i want, i need, i'd like, i would
        like, i have, play, open, set, call, find, search, repeat, say that, make it, change, turn, add, remove,
        explain, define, translate, read me, book, order, send, schedule, remind me, please tell
    """,
)
