"""Hindi, in Devanagari and in Roman letters: recognisers write both."""

from voicebot.languages.words.vocabulary import Words

HINDI = Words(
    respelled=(
        *((letter * 2, letter) for letter in "abcdgjkmnpst"),
        *(("chch", "ch"), ("chh", "ch"), ("ee", "i"), ("oo", "u"), ("ou", "u"), ("th", "t"), ("w", "v"), ("ph", "f")),
        *(("च्छ", "छ"), ("ये", "ए"), ("यी", "ई"), ("यि", "इ"), ("ॉ", "ा")),
    ),
    sound="""
        हम्म, हम्म्म, हम्म्म्म, हूँ, हुँ, हं, हम्, म्म, उम, उम्म, उह, आह, आहा, अहा, ओह, ओहो, ऊं, अं, एह, अहं, हूं हूं
    """,
    laughter="हाहा, हाहाहा, हेहे, हेहेहे, हीही",
    agreement="""
        हाँ, हा, हाँ जी, जी, जी हाँ, जी जी, जी बिल्कुल, अच्छा, अच्छा जी, अच्छा अच्छा, ठीक, ठीक है, ठीक ठीक, चलो ठीक
        है, चलिए, चलो, सही, सही है, सही बात है, सही कहा, सही में, बिल्कुल, बिलकुल, बिल्कुल सही, एकदम, एकदम सही, ज़रूर,
        बेशक, पक्का, समझ गया, समझ गई, समझ गए, मैं समझ गया, मैं समझ गई, समझा, समझी, समझ रहा हूँ, समझ रही हूँ, समझ आ
        गया, समझ में आ गया, पता है, मुझे पता है, मालूम है, मुझे मालूम है, हाँ हाँ, यही, यही तो, वही, वही तो, सच है, सच
        बात है, लगता है, मुझे भी, मैं भी, कोई बात नहीं, क्यों नहीं, अच्छी बात है, ओके, ओक, ओ के, यस, राइट, येस, या,
        शुअर, श्योर, गुड, फाइन, ओके ओके, हाँजी, बढ़िया है, खूब, मंज़ूर, ऐसा ही है, haan, han, haa, hanji, haan ji, ji,
        ji haan, ji han, ji bilkul, accha, acha, achha, accha ji, theek, thik, theek hai, thik he, thik h, tik hai,
        sahi, sahi hai, sahi baat hai, sahi kaha, sahi mein, bilkul, bilkul sahi, ekdum, ekdam, ekdum sahi, zaroor,
        jarur, zarur, beshak, pakka, samajh gaya, samajh gayi, samajh gai, samajh gaye, samaj gaya, samaj gayi, main
        samajh gaya, main samajh gayi, samjha, samjhi, samajh raha hoon, samajh rahi hoon, samajh aa gaya, samajh mein
        aa gaya, pata hai, mujhe pata hai, malum hai, mujhe maloom hai, yahi, yahi to, vahi to, sach hai, sach baat
        hai, main bhi, mujhe bhi, koi baat nahi, koi baat nahin, kyon nahin, kyun nahi, chalo, chaliye, chalo theek
        hai, achi baat hai, acchi baat hai, हाँ भाई, हाँ यार, हाँ वो तो है, वो तो है, बात तो सही है, ये तो है, ये बात
        तो है, ये बात है, समझ रहा, मैं समझ रहा हूँ, मैं समझ रही हूँ, ऐसा ही होगा, होगा, हो सकता है, मान गया, मान गए,
        मैं सहमत हूँ, सहमत, सही पकड़े, ठीक कहा, आपने सही कहा, हाँ सच, हाँ सही, अच्छा हाँ, ओह अच्छा, ओ अच्छा, अच्छा ठीक
        है, haan bhai, haan yaar, vo to hai, woh toh hai, baat to sahi hai, ye to hai, ye baat hai, main samajh raha
        hoon, main samajh rahi hoon, ho sakta hai, maan gaya, sahmat, theek kaha, aapne sahi kaha, haan sahi, haan
        sach, oh accha, accha haan, done, hmm haan, हाँ तो, हाँ पता है, हाँ मालूम है, सही बोला, सही बोल रहे हो, आप सही
        कह रहे हैं, तुम सही कह रहे हो, बिल्कुल ठीक, एकदम ठीक, याद है, मुझे याद है, हाँ याद आया, याद आया, जी समझ गया,
        जी अच्छा, जी ठीक है, हो गया, ठीक ही है, चलेगा, ठीक रहेगा, अच्छा रहेगा, जैसा आप कहें, अवश्य, निश्चित, haan pata
        hai, sahi bola, sahi bol rahe ho, aap sahi keh rahe hain, bilkul theek, ekdum theek, yaad hai, mujhe yaad hai,
        yaad aaya, ji samajh gaya, ji accha, ji theek hai, ho gaya, chalega, theek rahega, accha rahega, avashya,
        ofcourse, okk
    """,
    reaction="""
        वाह, वाह वाह, अरे वाह, अरे, अरे यार, सच, सच में, सच्ची, सच्ची में, क्या बात है, क्या बात, बढ़िया, बहुत बढ़िया,
        शानदार, कमाल, कमाल है, गज़ब, मज़ेदार, मस्त, सुंदर, ज़बरदस्त, मज़ा आ गया, हे भगवान, ओह नो, बेचारा, बेचारी, बाप
        रे, बाप रे बाप, हाय, हाय राम, ऐसा क्या, ऐसा है क्या, अच्छा सच में, वाकई, मुझे नहीं पता था, पता नहीं था, रियली,
        वाओ, वाउ, कूल, नाइस, ग्रेट, सुपर, ओ माय गॉड, दिलचस्प, शाबाश, क्या सच में, अफ़सोस, wah, vah, waah, wah wah, are
        wah, arre wah, arey wah, are, arre, arey, arre yaar, sach, sach mein, sach me, sach main, sachi, sacchi, sachi
        mein, kya baat hai, kya baat, badhiya, badiya, bahut badhiya, shandar, shaandaar, kamaal, kamaal hai, kamal
        hai, gazab, gajab, mazedar, mazaa aa gaya, maza aa gaya, mast, hey bhagwan, he bhagwan, bechara, bechari, baap
        re, bap re, haye, hai ram, aisa kya, aisa hai kya, vakai, waqai, mujhe nahi pata tha, pata nahi tha,
        zabardast, jabardast, shabash, dilchasp, kya sach mein, अरे नहीं, ओह नहीं, अरे बाप रे, क्या कहने, क्या बात
        कही, मज़ाक कर रहे हो, मज़ा आया, बहुत खूब, खूब, वाह भाई, अरे सच, सच क्या, ऐसा, अच्छा ऐसा, ओ तेरी, हद है, कमाल
        की बात है, बुरा हुआ, बहुत बुरा हुआ, अच्छा हुआ, चलो अच्छा है, are nahi, arre nahi, oh nahi, are baap re, kya
        kehne, mazak kar rahe ho, maza aaya, bahut khoob, vah bhai, are sach, aisa, accha aisa, o teri, had hai, bura
        hua, bahut bura hua, accha hua, chalo accha hai, पता ही नहीं था, मुझे तो पता ही नहीं था, मालूम नहीं था, मुझे
        मालूम नहीं था, यकीन नहीं होता, विश्वास नहीं होता, क्या ग़ज़ब, क्या मस्त, क्या कहानी है, ऐसा भी होता है, अच्छा
        ऐसा है, ओ हो, अरे अरे, ओह माय गॉड, हाय रे, अरे रे, पागल, अद्भुत, बेहतरीन, लाजवाब, गजब है, हैरानी की बात है,
        pata hi nahi tha, mujhe to pata hi nahi tha, malum nahi tha, mujhe maloom nahi tha, yakeen nahi hota, yakin
        nahi hota, vishwas nahi hota, aisa bhi hota hai, accha aisa hai, o ho, are are, adbhut, behtareen, lajawab,
        gazab hai, kya gazab, hairani ki baat hai, sahi mein yaar, शुक्र है, भगवान का शुक्र है, अब समझा, अब समझ आया,
        अब समझ में आया, मज़ाक कर रहे हो क्या, मज़ाक है क्या, अच्छा ये बात है, ओह तो ये बात है, बड़ी अच्छी बात है,
        shukar hai, shukr hai, bhagwan ka shukar hai, ab samjha, ab samajh aaya, ab samajh mein aaya, mazak hai kya,
        accha ye baat hai, badi acchi baat hai, oh to ye baat hai
    """,
    opener="""
        ये तो, यह तो, यह, ये, वो तो, कितना, कितनी, कितने, क्या, yeh to, ye to, ye, yeh, vo to, kitna, kitni, kitne,
        bada, badi, बड़ा, बड़ी
    """,
    degree="""
        बहुत, बहुत ही, काफ़ी, बड़ा, बड़ी, सच में, एकदम, तो, bahut, bohot, bahot, bahut hi, kafi, bada, badi, ekdum,
        to, sach mein
    """,
    evaluation="""
        अच्छा, अच्छी, अच्छे, अच्छा है, अच्छी है, अच्छा लगा, अच्छी बात है, प्यारा, प्यारी, प्यारा है, प्यारी है,
        मज़ेदार, मज़ेदार है, बढ़िया, बढ़िया है, सुंदर, सुंदर है, दिलचस्प, दिलचस्प है, सही है, सच है, दुखद, दुख की बात
        है, अजीब, अजीब है, अजीब बात है, कमाल है, मस्त है, खूब, मज़ेदार कहानी है, अच्छी कहानी है, रोचक, रोचक है, शानदार
        है, accha, acchi, achi, achi hai, acha hai, accha hai, acchi hai, accha laga, pyara, pyari, pyara hai, pyari
        hai, mazedar, mazedar hai, badhiya, badhiya hai, badiya hai, sundar, sundar hai, dilchasp, dilchasp hai, sahi
        hai, sach hai, ajeeb hai, ajib, ajeeb baat hai, kamaal hai, mast hai, khoob, funny hai, interesting hai, nice
        hai, cute hai, dukh ki baat hai, आसान, आसान है, अनोखा, अनोखा है, अद्भुत, अद्भुत है, बेहतरीन है, हैरान करने
        वाला है, ख़ूबसूरत, ख़ूबसूरत है, मीठा, नेक, डरावना, डरावना है, डरावनी, बुरा, बुरा हुआ, बुरी बात है, अनोखी बात
        है, नई बात है, अच्छी ख़बर है, ख़ुशी की बात है, प्यारी बात है, कमाल, ग़ज़ब है, ज़बरदस्त, ज़बरदस्त है, रोमांचक,
        रोमांचक है, aasan, aasan hai, anokha, anokha hai, adbhut hai, behtareen, behtareen hai, khubsurat, khoobsurat
        hai, daravna hai, daravni, bura hua, buri baat hai, nayi baat hai, acchi khabar hai, khushi ki baat hai,
        gazab, gazab hai, zabardast hai, romanchak hai, pyari baat hai, easy hai, amazing hai, great hai, sad hai,
        sweet hai, cool hai, awesome hai, crazy hai
    """,
    theme="कहानी, बात, बात है, ख़बर, ख़बर है, kahani, kahani hai, baat, baat hai, khabar hai, yaar, यार",
    go_on="""
        आगे, आगे बोलो, आगे बोलिए, आगे बताओ, आगे बताइए, आगे सुनाओ, आगे सुनाइए, आगे बढ़ो, आगे बढ़िए, फिर, फिर क्या हुआ,
        और फिर, उसके बाद, बोलो, बोलिए, बोलते रहो, बोलते रहिए, बोलते जाओ, बताते रहो, सुनाते रहो, सुनाओ, सुनाइए, बताओ,
        बताइए, जारी रखो, जारी रखें, जारी रखिए, चालू रखो, कहते रहो, रुको मत, रुकना मत, रुकिए मत, मत रुको, मत रुकिए, मत
        रुकना, बंद मत करो, बंद मत करना, सुन रहा हूँ, सुन रही हूँ, मैं सुन रहा हूँ, मैं सुन रही हूँ, कंटिन्यू, कंटिन्यू
        करो, गो ऑन, करते रहो, लगे रहो, कहो, कहिए, aage, aage bolo, aage boliye, aage batao, aage bataiye, aage sunao,
        aage badho, phir, fir, aur phir, phir kya hua, uske baad, bolo, boliye, bolte raho, bolte rahiye, bolte jao,
        batate raho, sunate raho, sunao, sunaiye, batao, bataiye, jaari rakho, jari rakho, jaari rakhiye, chalu rakho,
        kehte raho, kaho, kahiye, ruko mat, rukna mat, rukiye mat, mat ruko, mat rukiye, mat rukna, band mat karo,
        band mat karna, sun raha hoon, sun rahi hoon, sun raha hun, main sun raha hoon, main sun rahi hoon, continue
        karo, continue karte raho, karte raho, lage raho
    """,
    filler="""
        मतलब, तो, और, लेकिन, पर, मगर, वो, यानी, यानि, क्योंकि, वैसे, देखो, देखिए, या फिर, अब, matlab, to, toh, aur,
        lekin, par, magar, woh, wo, yaani, yani, kyunki, vaise, waise, dekho, dekhiye, ab
    """,
    fragment="का, की, के, में, से, को, है, एक, यह, ये, कि, ने, ka, ki, ke, mein, se, ko, hai, ek, yeh, ye, ne",
    polite="""
        कृपया, प्लीज़, प्लीज, यार, भाई, भाई साहब, दोस्त, जी, भैया, सर, मैडम, kripya, plz, yaar, yar, bhai, dost,
        bhaiya, ji, sir
    """,
    around="""
        अब, अभी, ज़रा, थोड़ा, थोड़ी देर, एक मिनट, एक सेकंड, कर दो, करो, कीजिए, जाओ, जाइए, क्या आप, क्या तुम, सकते हो,
        सकते हैं, धन्यवाद, शुक्रिया, सुनो, सुनिए, अरे, हो, हो जाओ, मैंने कहा, तुम, आप, के लिए, बोलना, हैलो, हेलो, बात,
        ab, abhi, zara, jara, thoda, thodi der, ek minute, ek second, kar do, karo, kijiye, jao, jaiye, kya aap, kya
        tum, sakte ho, sakte hain, dhanyavad, shukriya, suno, suniye, ho jao, maine kaha, tum, aap, ke liye, bolna,
        कहानी, अपनी बात, अपनी कहानी, kahani, apni baat, apni kahani
    """,
    no="""
        नहीं, ना, न, नहीं नहीं, अभी नहीं, सॉरी, माफ़ करना, माफ़ कीजिए, नो, nahi, nahin, nai, na, naa, abhi nahi, maaf
        karna, maaf kijiye
    """,
    stop="""
        रुको, रुकिए, रुक, रुक जाओ, रुक जाइए, रुको ज़रा, ज़रा रुको, रुको एक मिनट, ठहरो, ठहरिए, बस, बस करो, बस कर, बस
        कीजिए, बस भी करो, बस हो गया, बहुत हुआ, बहुत हो गया, काफ़ी है, बंद करो, बंद कर दो, बंद कीजिए, बंद, चुप, चुप
        रहो, चुप रहिए, चुप हो जाओ, चुप करो, चुप हो जाइए, शांत, शांत रहो, शांत हो जाओ, ख़ामोश, एक मिनट, एक सेकंड, एक
        मिनट रुको, मत बोलो, मत बोलिए, बोलना बंद करो, रहने दो, रहने दीजिए, छोड़ो, छोड़ो इसे, जाने दो, कैंसिल, कैंसिल
        करो, रद्द करो, स्टॉप, स्टाप, वेट, वेट करो, स्टॉप इट, पॉज़, पॉज करो, शट अप, होल्ड ऑन, अब बस, मुँह बंद करो,
        इंतज़ार करो, ruko, rukiye, rukie, ruk, ruk ja, ruk jao, ruk jaiye, ruko zara, zara ruko, thehro, thahro,
        thehriye, bas, bus, bas karo, bas kar, bas kijiye, bas bhi karo, bas ho gaya, bahut hua, bahut ho gaya, kaafi
        hai, band karo, band kar do, band kijiye, chup, chup raho, chup rahiye, chup ho jao, chup karo, shant, shaant
        raho, khamosh, ek minute, ek minat, ek second, ek minute ruko, mat bolo, bolna band karo, rehne do, rahne do,
        chhodo, chodo, chhoro, jaane do, jane do, cancel karo, pause karo, stop karo, wait karo, intezaar karo,
        intezar karo, muh band karo
    """,
    question="""
        कौन, कहाँ, कब, क्यों, कैसे, कैसा, कैसी, कितना, कितने, कितनी, किस, किसका, किसने, कौन सा, कौन सी, kaun, kon,
        kahan, kab, kyon, kyun, kaise, kaisa, kaisi, kitna, kitne, kitni, kis, kiska, kisne, kaunsa, konsa, kaun sa
    """,
    request="""
        क्या, kya, मुझे, मुझको, क्या आप, क्या तुम, क्या मैं, दूसरी, फिर से, दोबारा, कोई और, चलाओ, खोलो, mujhe, mujhko,
        kya aap, kya tum, kya main, dusri, doosri, phir se, dobara, koi aur, chalao, kholo
    """,
)
