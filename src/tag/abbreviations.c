/* See abbreviations.h. Each list is one text, its words between spaces; case counts. */
#include "tag/abbreviations.h"

#include <string.h>

static const char never[] =
    /* English */
    " Mr Mrs Ms Mx Dr Drs Prof Messrs St Gen Col Lt Sgt Cpl Capt Cmdr Maj Adm Brig Sen Rep Reps "
    "Gov Pres Hon Rev Fr Amb Supt Mt Ft vs viz approx Gov "
    /* German */
    " Hr Hrn Frl Dipl Ing med jur phil rer nat techn kath ev evang dt engl franz frz ital span "
    "lat griech russ amerik ehem sog bes vgl evtl ggf inkl exkl einschl zzgl abzgl bzw ca geb gest "
    "verh Hrsg hrsg Mag Bgm Abg Stv stellv insb insbes gem lt betr ungef bspw resp zB dh "
    /* French */
    " MM Mme Mmes Mlle Mlles Mgr Pr Vve av Av apr env cf ibid Ste tél boul "
    /* Spanish */
    " Sr Sra Srta Sres Sras Dra Dña Lic Arq Profa Gral Cnel Tte Mons Rdo Sto Sta Avda Admón Excmo "
    "Excma Ilmo Ilma Ldo Lda ej ";

static const char number[] =
    " No Nos no nos Nr Nrn N° n° Nº nº Núm Núms núm núms Num num Fig Figs fig figs Abb Tab p pp P "
    "pág págs pag pags párr párrf párrs Vol Vols vol vols Art Arts art arts Abs Bd Bde Kap Ziff Rn "
    "Anm Ch ch Chap chap Cap cap Sec Secs sec secs Sect para paras par pars eq eqs Eq Eqs ed eds "
    "Pt pt Op op Str str Tel tel Ext ext Apt apt cl Cl Cra v vv al ";

static const char may[] =
    /* English */
    " Co co Inc Ltd Corp Bros Jr Sr Esq etc Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon "
    "Tue Tues Wed Thu Thur Thurs Fri Sat Sun Ave Blvd Rd Hwy Dept dept Univ Assn Assoc est min max "
    "hrs hr Calif Mass Pa Fla Wash Conn Ariz Penn Okla Ore Tenn Mich Minn Ill "
    /* German */
    " usw usf Jh Jhd Jahrh Mio Mrd Tsd Std Min Sek Aufl Mo Di Mi Do Sa So Okt Dez Mär Hbf Pl "
    /* French */
    " Cie hab janv févr avr juil déc éd "
    /* Spanish */
    " Cía Ud Uds Vd Vds Hs Km Lun Mié Jue Vie Sáb Dom Ene Abr Ago Dic seg ";

static const char starters[] =
    /* English */
    " The They Their There Then These Those This That He She It Its We Our You Your I My His Her A "
    "An In On At By For From With Without If As But And Or So Yet Because Although Though While "
    "When Where Who Whom Whose Why What Which How Is Are Was Were Do Does Did Has Have Had Can "
    "Could Will Would Should May Might Must Not No Yes Please Some Many Most All Both Each Every "
    "Another Other After Before Since Until Under Over During Here Now Today Later However "
    "Moreover Meanwhile Also Once One Two Three Several Let Perhaps "
    /* German */
    " Der Die Das Den Dem Des Ein Eine Einer Einen Einem Er Sie Es Wir Ich Ihr Ihre Du Man Im Am "
    "Auf Bei Mit Nach Von Vom Zu Zum Zur Und Aber Oder Doch Denn Wenn Als Wie Wo Wer Warum Wann "
    "Danach Dabei Damit Jedoch Deshalb Trotzdem Sonst Nachdem Bevor Während Obwohl Wurde Wurden "
    "Weil Dass Da Dann Dort Hier Heute Jetzt Auch Nur Noch Nicht Kein Keine Alle Viele Seit Für "
    "Gegen Ohne Um Durch Über Unter Vor Zwischen Dies Diese Dieser Dieses Sein Seine Sind Ist War "
    "Waren Hat Haben Wird Werden Kann Können "
    /* French */
    " Le La Les Un Une Des Il Elle Ils Elles On Nous Vous Je Tu Ce Cet Cette Ces Mais Et Ou Donc "
    "Or Ni Car Dans En Pour Par Sur Sous Avec Sans Si Que Qui Quoi Quand Comment Où Pourquoi Son "
    "Sa Ses Leur Leurs Mon Ma Mes Notre Nos Votre Vos Tout Tous Toute Toutes Ainsi Puis Alors "
    "Ensuite Enfin Cependant Toutefois Néanmoins Lorsque Comme Aussi Chaque Plusieurs Rien "
    "Personne "
    "Après Avant Depuis Selon Ici Là Aujourd Est Sont "
    /* Spanish */
    " El Los Las Una Unos Unas Él Ella Ellos Ellas Yo Nosotros Usted Ustedes Se Su Sus Este Esta "
    "Estos Estas Ese Esa Eso Esto Aquel Con Por Para Pero Y O Sin Sobre Qué Quién Cómo Cuándo "
    "Dónde Cuál Es Son Fue Hay Lo Mi Mis Tu Según Desde Hasta Entre También Cuando Como Donde "
    "Nada Nadie Luego Después Entonces Además Todo Todos Toda Todas Cada Otro Otra Ahora Hoy Aquí "
    "Aunque Porque Ya Muy Más Al ";

static const char months[] =
    " January February March April May June July August September October November December "
    "Januar Jänner Februar Feber März Mai Juni Juli Oktober Dezember Jan Feb Mär Apr Jun Jul Aug "
    "Sep Sept Okt Oct Nov Dez Dec janvier février mars avril juin juillet août enero febrero marzo "
    "abril mayo junio julio agosto septiembre octubre noviembre diciembre ";

static const char leads[] =
    " der die das den dem des am im vom zum zur beim ab seit bis und oder ein eine einen einem "
    "einer eines jeder jede jedes jedem jeden sein seine seinen seinem seiner ihr ihre ihren ihrem "
    "ihrer unser unsere unserem dieser diese dieses diesem diesen zweiten Der Die Das Den Dem Des "
    "Am Im Vom Zum Zur Beim Ab Seit Bis Ein Eine Einen Einem Einer Jeder Jede Jedes Ihr Ihre Sein "
    "Seine ";

static bool among(const char *list, const char *word, size_t size) {
    if (!size || memchr(word, ' ', size))
        return false;
    for (const char *at = list; *at;) {
        const size_t n = strcspn(at, " ");
        if (n == size && !memcmp(at, word, n))
            return true;
        at += n + strspn(at + n, " ");
    }
    return false;
}

bcl_abbreviation bcl_abbreviation_of(const char *word, size_t size) {
    if (size > 3 && !memcmp(word + size - 3, "str", 3)) /* Hauptstr. 5 */
        return BCL_ABBREVIATION_NUMBER;
    return among(never, word, size)    ? BCL_ABBREVIATION_NEVER
           : among(number, word, size) ? BCL_ABBREVIATION_NUMBER
           : among(may, word, size)    ? BCL_ABBREVIATION_MAY
                                       : BCL_ABBREVIATION_NONE;
}

bool bcl_begins_sentences(const char *word, size_t size) {
    return among(starters, word, size);
}

bool bcl_is_month(const char *word, size_t size) {
    return among(months, word, size);
}

bool bcl_leads_ordinal(const char *word, size_t size) {
    return among(leads, word, size);
}
