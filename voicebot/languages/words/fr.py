"""French."""

from voicebot.languages.words.vocabulary import Words

FRENCH = Words(
    sound="ah, hein, bah, ben, ouf, hum, mh, oups, tiens, hé",
    agreement="""
        oui, ouais, ouaip, mouais, oui oui, mais oui, ben oui, eh oui, d'accord, bien, très bien, fort bien, bon,
        c'est bon, ça marche, ça va, ça me va, ça roule, entendu, bien sûr, bien entendu, évidemment, exactement,
        exact, tout à fait, absolument, parfaitement, certainement, effectivement, en effet, voilà, c'est ça, c'est
        vrai, c'est clair, c'est juste, c'est exact, vrai, juste, clair, je vois, je comprends, j'ai compris, compris,
        je sais, bien compris, je suis d'accord, je crois, je crois bien, je crois que oui, je pense, je pense que
        oui, je suppose, moi aussi, pareil, parfait, super, volontiers, avec plaisir, pourquoi pas, pas de problème,
        pas de souci, aucun problème, ça se tient, logique, c'est logique, carrément, grave, si, bonne idée, tu as
        raison, vous avez raison, t'as raison, ok ça marche, sans doute, sûrement, nickel, ah oui, ah d'accord, ok
        d'accord, oui bien sûr, oui c'est vrai, je vois ce que tu veux dire, je vois ce que vous voulez dire, je
        comprends mieux, j'imagine, je m'en doute, je m'en doutais, ça a du sens, c'est sûr, sûr, c'est certain, c'est
        noté, noté, c'est compris, c'est évident, ça se comprend, ouais grave, mais bien sûr, comme tu dis, tu
        m'étonnes, à qui le dis-tu, ça c'est sûr, c'est normal, bonne question, bon d'accord, ok bien, allez d'accord,
        soit, ça ira, tant mieux, c'est bien ça, bah oui, ben voyons, oui tout à fait, ah ok, ah oui oui, okay
        d'accord, certes, ma foi oui, c'est ça oui, tout juste, justement, précisément, bien vu, bien dit, vu, pigé,
        j'ai pigé, capté, reçu, bien reçu, je me souviens, je m'en souviens, ça se peut, c'est possible, possible,
        peut-être bien, il me semble, si tu le dis, si vous le dites, comme tu veux, comme vous voulez, sans problème,
        sans souci, aucun souci, entièrement d'accord, tout à fait d'accord, je suis bien d'accord, on est d'accord,
        c'est entendu, très juste, très vrai, c'est très clair, très clair, très intéressant, ça joue, ça me convient,
        ça me va bien, jusque-là d'accord, j'ai entendu dire, j'en ai entendu parler, ça me parle, je connais, je
        connais ça, je le savais, je savais, ça sonne bien, pas bête, ça tombe bien, je note, je retiens, pas mal du
        tout, tout est clair, c'est très bien, tout va bien, effectivement oui, en effet oui, je suis de ton avis,
        c'est mon avis aussi, bien d'accord, tant mieux alors
    """,
    reaction="""
        ah bon, vraiment, c'est vrai, sérieux, sérieusement, sans blague, sans rire, pas possible, c'est pas vrai, ce
        n'est pas possible, c'est pas possible, incroyable, génial, formidable, magnifique, excellent, parfait,
        chouette, top, waouh, ouah, oh là là, ho là là, là là, mon dieu, oh mon dieu, tiens, tiens donc, tiens tiens,
        dis donc, eh ben, eh bien dis donc, ça alors, mince, zut, dommage, quel dommage, le pauvre, la pauvre, pauvre
        bête, trop bien, trop drôle, trop mignon, pas mal, j'adore, j'aime bien, j'aime ça, ça me plaît, je ne savais
        pas, je savais pas, intéressant, drôle, marrant, rigolo, amusant, impressionnant, fantastique, merveilleux, oh
        non, la vache, punaise, dingue, ah ouais, oh là, houlà, oulà, eh bah, ah bah, ah tiens, c'est dingue, c'est
        fou, quelle histoire, quelle chance, j'y crois pas, je n'y crois pas, j'en reviens pas, je n'en reviens pas,
        oh mince, oh zut, flûte, oh le pauvre, pauvre petit, pauvre chat, ça fait plaisir, ah super, ah génial, ça
        fait rêver, rien que ça, tu rigoles, vous plaisantez, tu plaisantes, mes félicitations, félicitations,
        chapeau, trop fort, heureusement, ah zut, ah mince, intéressant ça, ah c'est vrai, je savais pas ça, je ne le
        savais pas, j'ignorais, je l'ignorais, je ne savais pas ça, aucune idée, j'en avais aucune idée, première
        nouvelle, qui l'eût cru, qui l'aurait cru, j'aurais pas cru, je n'aurais pas cru, ça m'étonne, étonnant, c'est
        étonnant, surprenant, ben dis donc, ah ben dis donc, oh la vache, oh purée, purée, bigre, oups, ouf, hé ben,
        incroyable ça, c'est beau, comme c'est beau, comme c'est triste, trop triste, trop cool, trop génial, mon
        pauvre, tu m'en diras tant, c'est une blague, quelle surprise, quelle horreur, magnifique ça, respect, bravo à
        lui, quel soulagement, dieu merci, ouf tant mieux, ça explique tout, ça explique, je comprends maintenant,
        maintenant je comprends, désolé de l'entendre, c'est une bonne nouvelle, bonne nouvelle, tu es drôle, t'es
        drôle, vous êtes drôle, quelle coïncidence, quelle belle histoire, c'est bon à savoir, bon à savoir, je n'en
        savais rien, j'en savais rien, sans déconner, tu déconnes, arrête c'est pas vrai, oh c'est vrai, eh ben dis
        donc, tout ça
    """,
    opener="""
        c'est, c'était, ça c'est, ça a l'air, comme c'est, que c'est, qu'est-ce que c'est, quelle, quel, c'est une,
        c'est un, ça semble, ça paraît, il est, elle est, ce serait, ça serait, ça doit être, ça devait être, c'est
        quand même, c'est une bonne, c'est un bon, ah c'est, quelle bonne, quelle belle, quel beau, ça sonne, ça me
        semble, ça me paraît, c'est plutôt, ils sont
    """,
    degree="""
        très, trop, si, tellement, vraiment, assez, plutôt, super, hyper, un peu, tout, bien, carrément, quand même
    """,
    evaluation="""
        drôle, marrant, rigolo, mignon, mignonne, beau, belle, bien, bon, intéressant, génial, triste, incroyable,
        super, cool, sympa, amusant, fou, dingue, chouette, magnifique, bizarre, étrange, touchant, émouvant,
        impressionnant, fascinant, formidable, horrible, terrible, vrai, juste, clair, logique, parfait, utile,
        excellent, merveilleux, fantastique, romantique, adorable, passionnant, surprise, chance, horreur, joli,
        jolie, surprenant, noté, bonne, courageux, malin, intelligent, délicieux, pratique, fort, doux, douce,
        évident, poétique, charmant, dommage, raisonnable, rassurant, prometteur, facile, simple, spectaculaire,
        extraordinaire, étonnant, étonnante, inattendu, mystérieux, charmante, ravissant, géniale, brillant,
        brillante, phénoménal, curieux, curieuse, bouleversant, effrayant, affreux, affreuse, tragique, rassurante,
        agréable, idéal, important, remarquable, ironique, soulagement, coïncidence, rêve, miracle, cauchemar,
        plaisir, joie, délice, succulent, savoureux, poignant, fascinante, passionnante, intéressante,
        impressionnante, amusante, marrante, rigolote, gentil, gentille, énorme, ouf, stylé, puissant
    """,
    theme="""
        histoire, idée, nouvelle, nouvelles, point, plan, journée, à savoir, à entendre, ça, de ta part, de sa part,
        dis donc, alors, quand même
    """,
    go_on="""
        continue, continuez, continuer, vas-y, allez-y, vas-y continue, allez-y continuez, poursuis, poursuivez,
        n'arrête pas, n'arrêtez pas, arrête pas, ne t'arrête pas, t'arrête pas, ne vous arrêtez pas, je t'écoute, je
        vous écoute, j'écoute, je suis là, je te suis, je vous suis, je suis, et puis, et après, et ensuite, et alors,
        la suite, ensuite, tu peux continuer, vous pouvez continuer, raconte, racontez, dis-moi tout, allez
    """,
    filler="""
        euh, ben, alors, donc, et, mais, enfin, eh bien, et bien, bon ben, du coup, en fait, genre, tu vois, tu sais,
        vous savez, puis, parce que, car, disons, après, bref, or
    """,
    fragment="""
        le, la, les, l, un, une, de, du, des, à, au, en, dans, il, je, j, c, d, que, qu, ce, on, se, est, pour, par
    """,
    polite="s'il te plaît, s'il vous plaît, stp, svp, assistant, mon ami, monsieur, madame, mec",
    around="""
        maintenant, tout de suite, un peu, une seconde, une minute, un moment, un instant, deux secondes, deux
        minutes, peux-tu, tu peux, pouvez-vous, vous pouvez, est-ce que tu peux, j'ai dit, merci, merci bien, merci
        beaucoup, hé, hey, eh, toi, vous, de parler, là, ça, bonjour, juste, déjà, enfin, pourrais-tu, pourriez-vous,
        à parler, de raconter, à raconter, ton histoire, l'histoire, votre histoire, avec l'histoire, à lire, je ne
        voulais pas interrompre, je voulais pas t'interrompre, je voulais pas interrompre, ne fais pas attention, fais
        pas attention
    """,
    no="""
        non, nan, non non, pas encore, pardon, désolé, désolée, excuse-moi, excusez-moi, mais non, surtout pas,
        surtout
    """,
    stop="""
        arrête, arrêtez, arrête-toi, arrêtez-vous, arrête ça, arrêtez ça, arrête de parler, arrêtez de parler,
        attends, attendez, attend, une seconde, une minute, deux secondes, deux minutes, un instant, un moment,
        minute, tais-toi, taisez-vous, la ferme, ferme-la, silence, chut, ça suffit, suffit, assez, c'est assez,
        stoppe, stoppez, pause, mets en pause, laisse tomber, laissez tomber, laisse, oublie, oubliez, oublie ça, peu
        importe, annule, annulez, tant pis, pas maintenant, plus un mot, du calme, calme-toi, n'en dis pas plus,
        halte, arrête maintenant
    """,
    question="""
        quoi, qui, où, quand, comment, pourquoi, combien, quel, quelle, quels, quelles, qu'est-ce, qu'est-ce que,
        qu'est-ce qui, lequel, laquelle, à quelle, de quoi, c'est quoi, c'est qui
    """,
    request="""
        peux-tu, tu peux, pouvez-vous, vous pouvez, est-ce que, est-ce qu'il, dis-moi, dites-moi, raconte-moi,
        donne-moi, donnez-moi, montre-moi, je veux, je voudrais, j'aimerais, j'ai besoin, il y a, y a-t-il, as-tu,
        avez-vous, sais-tu, répète, répétez, explique, expliquez, cherche, ouvre, mets, appelle, joue, lis, change,
        peut-on, on peut, puis-je, pourrais-tu, pourriez-vous
    """,
)
