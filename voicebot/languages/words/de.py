"""German."""

from voicebot.languages.words.vocabulary import Words

GERMAN = Words(
    sound="ach, tja, hach, och, öh, äh, ähm, mh, joa, hä",
    agreement="""
        ja, jo, jep, jap, jawohl, jawoll, ja ja, ja genau, genau, ganz genau, stimmt, das stimmt, stimmt ja, richtig,
        ganz richtig, klar, alles klar, na klar, ist klar, aber klar, gut, na gut, sehr gut, schon gut, alles gut, ist
        gut, in Ordnung, geht klar, passt, das passt, einverstanden, verstehe, ich verstehe, verstanden, hab
        verstanden, ich hab's verstanden, ach so, achso, aha, natürlich, selbstverständlich, sicher, sicherlich,
        bestimmt, absolut, auf jeden Fall, definitiv, eben, ebend, logisch, logo, gern, gerne, sehr gerne, ich weiß,
        weiß ich, weiß ich doch, ich glaube schon, ich denke schon, glaub schon, denke ich auch, sehe ich auch so, ich
        auch, finde ich auch, kein Problem, macht Sinn, ergibt Sinn, das macht Sinn, das ergibt Sinn, leuchtet ein,
        schön, fein, prima, perfekt, okay gut, von mir aus, da hast du recht, du hast recht, hast recht, Sie haben
        recht, so ist es, gute Idee, meinetwegen, jawohl ja, gebongt, top, schon klar, guter Punkt, klar doch, naja
        gut, ah ja, ach ja, ach ja klar, ah okay, das glaube ich, das glaub ich, glaub ich, glaube ich gern, das
        dachte ich mir, dachte ich mir, hab ich mir gedacht, das kann ich verstehen, kann ich verstehen, kann ich mir
        vorstellen, das kann ich mir vorstellen, das denke ich auch, weiß Bescheid, so so, soso, sag ich doch, ganz
        meine Meinung, jo klar, ja stimmt, ja eben, ist notiert, gut zu wissen, wie du sagst, sowieso, keine Frage,
        mit Sicherheit, freilich, passt schon, genau so, mhm ja, ganz klar, völlig klar, völlig richtig, sehr richtig,
        sehr wahr, wie wahr, das ist wahr, wohl wahr, kann sein, mag sein, durchaus, allerdings, in der Tat,
        zweifellos, notiert, gemerkt, hab ich, hab's, hab's kapiert, kapiert, kapiere, check, gecheckt, okidoki, okay
        dann, na dann, ich erinnere mich, ich bin dabei, geht in Ordnung, kein Ding, keine Sorge, nur zu gern, ja gut,
        ja doch, ja eh, eh klar, so isses, das kenne ich, kenn ich, kenne ich, du hast ja recht, eben eben, das weiß
        ich, hab ich gehört, das hab ich gehört, davon hab ich gehört, kann ich nachvollziehen, nachvollziehbar, ich
        bin einverstanden, soweit klar, so weit so gut, gut gut, ja gerne, aber sicher, aber natürlich, klingt gut,
        hört sich gut an, ich erinnere mich daran, das leuchtet mir ein, so sehe ich das auch, das sehe ich auch so,
        nicht schlecht, versteh schon, versteh ich, schon verstanden, alles verstanden, nehm ich, merk ich mir, merke
        ich mir
    """,
    reaction="""
        echt, ach echt, wirklich, ach wirklich, tatsächlich, im Ernst, ernsthaft, ehrlich, nein wirklich, ach nein,
        ach was, ach nee, was du nicht sagst, kann nicht sein, das gibt's nicht, gibt's doch nicht, unglaublich,
        Wahnsinn, krass, toll, klasse, spitze, wunderbar, großartig, fantastisch, herrlich, hervorragend,
        ausgezeichnet, interessant, spannend, lustig, witzig, süß, schön, schade, wie schade, oh je, oje, ach je, oh
        Gott, ach du meine Güte, meine Güte, mein Gott, ach Gott, oh nein, o nein, Mensch, Donnerwetter, geil, hammer,
        der Arme, die Arme, armes Ding, das arme Tier, gefällt mir, das gefällt mir, wusste ich nicht, das wusste ich
        nicht, das wusste ich gar nicht, ach du Schreck, nicht schlecht, sieh an, na so was, so was, huch, heftig,
        verrückt, abgefahren, na toll, echt jetzt, wirklich jetzt, ach herrje, herrje, du liebe Zeit, um Himmels
        willen, du meine Güte, wow cool, mega, stark, nett, das ist ja ein Ding, ein Ding, nicht zu fassen, nicht zu
        glauben, kaum zu glauben, ist ja irre, irre, ach du lieber, ach komm, freut mich, das freut mich, zum Glück,
        Glück gehabt, traurig, armer Kerl, ach herrlich, so ein Pech, so ein Glück, wer hätte das gedacht, hätte ich
        nicht gedacht, das hätte ich nicht gedacht, wusste ich gar nicht, wusste ich noch nicht, das wusste ich noch
        gar nicht, das ist mir neu, war mir neu, keine Ahnung gehabt, hatte ich keine Ahnung, das überrascht mich,
        überraschend, wie das denn, Sachen gibt's, was es nicht alles gibt, man lernt nie aus, ist nicht wahr, nicht
        wahr, sag bloß, sag bloß nicht, ei der Daus, potzblitz, uff, boah, wow krass, ach wie schön, ach wie süß, ach
        wie traurig, der Hammer, das ist der Hammer, das ist ja der Hammer, stell dir vor, du machst Witze, du
        scherzt, echt wahr, alle Achtung, Respekt, hut ab, Gott sei Dank, was für ein Glück, da bin ich aber froh, da
        bin ich froh, das erklärt einiges, das erklärt alles, jetzt verstehe ich, jetzt versteh ich, das tut mir leid,
        tut mir leid zu hören, das ist ein Witz, Witzig witzig, wow wirklich, ach du grüne Neune, ach du liebe Zeit,
        was für eine Geschichte, was für eine Überraschung, du bist lustig, das ist erstaunlich, so ein Zufall, was
        für ein Zufall, das hab ich nicht gewusst, hab ich nicht gewusst, habe ich nicht gewusst, nicht gewusst
    """,
    opener="""
        das ist, das ist ja, ist ja, ist, wie, das klingt, klingt, das war, das hört sich, hört sich, das sind ja, was
        für eine, was für ein, das ist eine, das ist ja eine, das ist ein, das finde ich, finde ich, das ist doch, das
        wäre, wäre, das wird, das klingt ja, klingt ja, das hört sich ja, so eine, das sieht, sieht, das muss, was
        für, ach ist das, das ist mal, finde ich sehr, das find ich, find ich
    """,
    degree="sehr, so, echt, wirklich, total, ziemlich, richtig, voll, ganz, ja, aber, besonders, schon, doch, super",
    evaluation="""
        lustig, witzig, süß, schön, toll, gut, interessant, spannend, traurig, cool, krass, verrückt, wunderbar,
        großartig, super, klasse, niedlich, komisch, seltsam, gruselig, lieb, nett, richtig, wahr, klar, logisch,
        unglaublich, Wahnsinn, schade, beeindruckend, faszinierend, praktisch, hilfreich, rührend, romantisch,
        herrlich, perfekt, fantastisch, hammer, geil, Überraschung, tragisch, furchtbar, erstaunlich, gute, schöne,
        tolle, lustige, traurige, süße, nette, hübsch, irre, mega, stark, schlau, klug, mutig, lecker, verständlich,
        einleuchtend, sinnvoll, nützlich, vernünftig, vielversprechend, gemütlich, Ding, Pech, Glück, einfach, leicht,
        spektakulär, außergewöhnlich, ungewöhnlich, überraschend, erleichternd, beruhigend, unerwartet, mysteriös,
        geheimnisvoll, bezaubernd, entzückend, drollig, putzig, goldig, charmant, genial, brillant, sagenhaft,
        phänomenal, abgefahren, schräg, merkwürdig, kurios, bewegend, ergreifend, berührend, schrecklich, entsetzlich,
        bitter, erfreulich, angenehm, ideal, wichtig, bemerkenswert, ironisch, Zufall, Erleichterung, Traum, Wunder,
        Albtraum, Vergnügen, Freude, Witz, wunderschön, herzerwärmend, poetisch, wahnsinnig, unfassbar, köstlich
    """,
    theme="""
        Geschichte, Idee, Sache, Nachricht, Nachrichten, Plan, Punkt, Tag, zu hören, zu wissen, von dir, von ihm, von
        ihr, oder
    """,
    go_on="""
        weiter, mach weiter, machen Sie weiter, weiter so, nur weiter, immer weiter, red weiter, rede weiter, reden
        Sie weiter, sprich weiter, sprechen Sie weiter, erzähl weiter, erzählen Sie weiter, erzähl ruhig weiter, lies
        weiter, fahr fort, fahren Sie fort, nicht aufhören, hör nicht auf, bitte nicht aufhören, nicht stoppen, nicht
        anhalten, ich höre, ich höre zu, ich höre dir zu, ich bin da, bin da, ich bin ganz Ohr, ganz Ohr, und dann,
        und weiter, nur zu, leg los, schieß los, du kannst weitermachen, du kannst weiterreden, weitermachen,
        weiterreden, weitererzählen
    """,
    filler="""
        also, naja, na ja, und, aber, oder, so, dann, denn, weil, nun, nun ja, eigentlich, sozusagen, na, tja, ja
        also, ich meine, hm also, moment also
    """,
    fragment="""
        der, die, das, den, dem, ein, eine, einen, in, im, an, am, zu, von, mit, für, auf, es, ich, ist, dass, wenn
    """,
    polite="bitte, bitte schön, Assistent, Computer, Kumpel, Alter, mein Freund, Mann",
    around="""
        jetzt, mal, kurz, sofort, einfach, doch, endlich, einmal, kannst du, könntest du, würdest du, können Sie,
        könnten Sie, einen Moment, einen Augenblick, eine Sekunde, eine Minute, ein bisschen, danke, danke schön, hey,
        he, du, ich sagte, ich hab gesagt, hier, zu reden, damit, hallo, bloß, schon, nur, red, rede, reden Sie,
        sprich, sprechen Sie, erzähl, erzähle, erzählen Sie, mach, mache, machen Sie, lies, lesen Sie, ruhig, gerne,
        gern, bitte, mit der Geschichte, mit deiner Geschichte, ich wollte nicht unterbrechen, wollte nicht stören,
        lass dich nicht stören
    """,
    no="""
        nein, nee, nö, ne, nein nein, noch nicht, Entschuldigung, entschuldige, sorry, tut mir leid, Verzeihung, bloß
        nicht
    """,
    stop="""
        stoppen, halt, halt an, anhalten, warte, warte mal, warten Sie, wart, wart mal, Moment, Moment mal, einen
        Moment, Momentchen, Augenblick, einen Augenblick, Sekunde, eine Sekunde, Minute, eine Minute, sei still, sei
        leise, sei ruhig, seien Sie still, seien Sie ruhig, still, leise, Ruhe, Ruhe jetzt, ruhig, Schluss, Schluss
        damit, Schluss jetzt, aus, aufhören, hör auf, hören Sie auf, hör auf zu reden, hör damit auf, es reicht, das
        reicht, reicht, reicht jetzt, genug, genug davon, halt die Klappe, Klappe, Klappe zu, halt den Mund, Mund
        halten, schweig, schweigen Sie, vergiss es, vergessen Sie es, egal, lass gut sein, lass es, lass das, lassen
        Sie das, abbrechen, abbruch, brich ab, Pause, mach Pause, nicht weiter, nicht mehr, pscht, psst, kein Wort
        mehr, gib mir eine Sekunde
    """,
    question="""
        was, wer, wen, wem, wo, wohin, woher, wann, warum, wieso, weshalb, wie, welche, welcher, welches, wie viel,
        wie viele, um wie viel, um welche
    """,
    request="""
        kannst du, könntest du, können Sie, könnten Sie, würdest du, sag mir, sag, erzähl mir, erzähl, gib mir, zeig
        mir, ich will, ich möchte, ich brauche, ich hätte, gibt es, hast du, weißt du, spiel, öffne, such, suche, ruf,
        wiederhole, wiederhol, erkläre, erklär, lies, ändere, darf ich, kann ich, können wir, lass uns, ist das, ist
        es
    """,
)
