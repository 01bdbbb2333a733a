"""Spanish."""

from voicebot.languages.words.vocabulary import Words

SPANISH = Words(
    sound="ajá, ay, uy, ah ya, eeh, ajam",
    laughter="jaja, jajaja, jajajaja, jeje, jejeje, jiji",
    agreement="""
        sí, sip, claro, claro que sí, pues claro, pues sí, vale, bueno, bien, muy bien, está bien, de acuerdo, exacto,
        exactamente, así es, eso es, eso, correcto, cierto, es cierto, es verdad, verdad, por supuesto, desde luego,
        seguro, sin duda, ya, ya veo, ya entiendo, veo, entiendo, entendido, lo entiendo, te entiendo, comprendo,
        comprendido, lo sé, ya sé, perfecto, genial, estupendo, listo, dale, ándale, órale, sale, okay ya, tienes
        razón, tiene razón, creo que sí, supongo, supongo que sí, yo también, yo creo que sí, tiene sentido, buena
        idea, buen punto, me parece bien, efectivamente, obvio, totalmente, absolutamente, naturalmente, con gusto,
        cómo no, no hay problema, sin problema, eso creo, ok dale, venga, lo que dices, ya lo creo, sí sí, ah vale, ah
        claro, sí señor, no hay duda, por supuesto que sí, estoy de acuerdo, lógico, tal cual, eso sí, igualmente, ni
        que decirlo, tienes toda la razón, ya me imagino, me imagino, sé lo que quieres decir, entiendo lo que dices,
        con razón, okey dale, hecho, justo, justamente, qué razón tienes, ah ya, ya ya, claro claro, clarísimo, está
        claro, queda claro, clarito, eso eso, así mismo, ciertamente, seguramente, sin problemas, ningún problema, muy
        cierto, muy bien dicho, bien dicho, apuntado, anotado, me acuerdo, lo recuerdo, te sigo, se entiende, va, va
        bien, sale y vale, órale pues, ándale pues, bueno vale, ok bueno, sí gracias, como digas, como quieras, yo
        igual, de acuerdo entonces, me suena, me lo imaginaba, lo suponía, lo sabía, ya lo sabía, así que sí, estamos
        de acuerdo, hasta ahora bien, tomo nota, no está mal, nada mal, suena bien, buena esa, es lógico, es normal,
        bastante bien, todo bien, todo claro, clarísimo todo
    """,
    reaction="""
        de verdad, en serio, no me digas, no puede ser, qué va, qué dices, anda, vaya, hala, guau, órale, increíble,
        genial, estupendo, fantástico, maravilloso, excelente, perfecto, interesante, bonito, lindo, gracioso, madre
        mía, dios mío, ay dios, ay dios mío, por dios, caramba, caray, qué pena, qué lástima, pobrecito, pobrecita,
        pobre, me gusta, me encanta, no lo sabía, mira, mira tú, qué bien, qué chulo, ah sí, impresionante, no
        manches, vaya vaya, guay, chévere, mola, qué fuerte, qué guay, qué padre, qué risa, qué horror, qué maravilla,
        qué barbaridad, uf, buf, hostia, ostras, jolín, ah mira, anda ya, no lo puedo creer, no me lo puedo creer,
        menos mal, me alegro, ay no, oh no, qué suerte, pobrecillo, wow qué bien, la verdad, no sabía, no sabía eso,
        no tenía ni idea, ni idea, no tenía idea, primera noticia, quién lo diría, quién iba a decir, es increíble,
        qué sorpresa, qué cosas, vaya cosa, ay qué risa, uy qué miedo, no me lo creo, la leche, qué alegría,
        alucinante, qué flipe, flipo, ah qué interesante, qué alivio, menudo alivio, gracias a dios, qué buena
        noticia, buenas noticias, buena noticia, qué interesante todo, eso lo explica todo, eso lo explica, ahora
        entiendo, ahora lo entiendo, ahora sí, lo siento mucho, qué sorpresa más bonita, estás de broma, es broma,
        bromeas, no puede ser verdad, no es posible, qué locura
    """,
    opener="""
        qué, es, eso es, está, esto es, suena, eso suena, me parece, qué cosa más, qué historia más, fue, eso está,
        qué buena, qué buen, qué mala, qué linda, qué bonita, eso es una, es una, es un, eso es un, qué gran, está
        muy, sería, eso sería, son
    """,
    degree="muy, tan, bastante, realmente, súper, un poco, qué",
    evaluation="""
        gracioso, graciosa, divertido, divertida, bonito, bonita, lindo, linda, bueno, buena, bien, interesante,
        increíble, genial, triste, hermoso, hermosa, precioso, preciosa, curioso, curiosa, raro, rara, fuerte, chulo,
        guay, rico, padre, chévere, tierno, tierna, impresionante, fascinante, maravilloso, maravillosa, miedo, risa,
        cierto, verdad, correcto, bárbaro, horror, maravilla, pasada, locura, sorpresa, alegría, emocionante, útil,
        mono, mona, perfecto, lógico, suerte, divertidísimo, buenísimo, lástima, pena, barbaridad, valiente, listo,
        lista, inteligente, romántico, terrible, sorprendente, fácil, sencillo, sencilla, alucinante, espectacular,
        extraordinario, extraordinaria, estupendo, estupenda, fantástico, fantástica, alivio, conmovedor, conmovedora,
        misterioso, misteriosa, original, inesperado, inesperada, delicioso, deliciosa, sabroso, práctico, práctica,
        ingenioso, encantador, encantadora, simpático, simpática, dulce, valioso, poético, terrorífico, ideal,
        agradable, loco, loca, importante, brutal, genia, crack, bestia, milagro, sueño, placer, coincidencia,
        casualidad
    """,
    theme="historia, cuento, idea, noticia, noticias, punto, plan, día, saberlo, oírlo, de tu parte, la verdad, todo",
    go_on="""
        sigue, siga, sigan, sigue así, sigue hablando, sigue contando, continúa, continúe, continuar, adelante,
        prosigue, prosiga, no pares, no pare, no te detengas, no se detenga, no te calles, te escucho, le escucho,
        escucho, te sigo, estoy escuchando, aquí estoy, y luego, y entonces, puedes seguir, puede seguir, puedes
        continuar, cuenta, cuéntame, dime, diga, a ver
    """,
    filler="este, pues, entonces, o sea, y, pero, es que, a ver, digamos, así que, mira, luego, además, es decir, em",
    fragment="el, la, los, las, un, una, de, en, a, con, por, lo, al, del, se, le, me",
    polite="por favor, asistente, amigo, amiga, señor, señora, tío, hombre, mujer, porfa, porfavor",
    around="""
        ya, ahora, ahora mismo, un momento, un segundo, un minuto, un poco, un rato, puedes, podrías, puede, quieres,
        te digo, he dicho, gracias, muchas gracias, oye, oiga, eh, tú, de una vez, de hablar, hablar, un poquito,
        solo, hola, un momentito, momento, ahí, con la historia, con tu historia, con el cuento, contando, hablando,
        leyendo, por ahí, no quería interrumpir, tranquilo, tranquila, te escucho
    """,
    no="no, nop, perdón, perdona, disculpa, lo siento, todavía no, que no, ay no",
    stop="""
        para, pare, paren, párate, detente, deténgase, alto, basta, ya basta, basta ya, ya está, es suficiente,
        suficiente, ya es suficiente, espera, espere, espérate, espera un momento, cállate, calla, cállese, silencio,
        chitón, un momento, un segundo, un minuto, un momentito, déjalo, déjelo, olvídalo, olvídelo, no importa,
        cancela, cancelar, pausa, deja de hablar, deje de hablar, no hables, no sigas, no siga, ya no, aguarda,
        aguanta, para ya, para de hablar, haz silencio, guarda silencio, dame un segundo, dame un momento, corta, ya
        vale
    """,
    question="""
        qué, quién, quiénes, dónde, cuándo, cómo, cuál, cuáles, cuánto, cuánta, cuántos, cuántas, por qué, a qué, de
        qué, para qué
    """,
    request="""
        puedes, podrías, puede, podría, dime, cuéntame, dame, muéstrame, quiero, quisiera, necesito, me gustaría, hay,
        tienes, sabes, repite, pon, abre, busca, llama, cambia, haz, explica, explícame, léeme, me puedes, quieres, es
        posible, vamos a
    """,
)
