/* Sentences of documents, by the rules of a public list of hard cases: the golden rules of
 * pragmatic_segmenter (https://github.com/diasks2/pragmatic_segmenter, spec/, English, German and
 * Spanish; French from its other cases). Each rule stands here under its name with sentences of our
 * own; '|' is where one ends. */
#include "support/support.h"

#include <bertcl/tagger.h>

typedef struct hard_case {
    const char *rule, *text;
} hard_case;

static const hard_case cases[] = {
    /* English, 001 to 052 */
    {"simple period", "Good morning. | The session is open."},
    {"question mark", "Who has the floor? | The delegate of Peru has it."},
    {"exclamation point", "Look there! | A whale swam by."},
    {"one upper-case letter", "The speaker was Maria K. Olsen."},
    {"one lower-case letter", "The table is on p. 17."},
    {"two lower-case letters, within", "Did Tom and co. win the match?"},
    {"two letters, capital, within", "They sold it to Hart, Lowe & Co. in spring."},
    {"two lower-case letters, at the end", "Invite Tom and co. | They love cake."},
    {"two letters, capital, at the end", "It went to Hart, Lowe & Co. | It was cheap."},
    {"prepositive", "We climbed Mt. Elbrus last year."},
    {"prepositive and postpositive", "St. Anne's School is on 3rd st. near the bridge."},
    {"possessive", "This is Martin Jr.'s bicycle."},
    {"several full stops, within", "She toured the U.S.A. in May."},
    {"several full stops, at the end", "They left the E.U. | What comes next?"},
    {"U.S. at the end", "He was born in the U.S. | Where were you born?"},
    {"U.S. and a capital", "She joined the U.S. Senate in March."},
    {"U.S. within", "He stayed in the U.S. until autumn."},
    {"number", "It costs $75.50 in this shop."},
    {"number at the end", "It costs $75.50. | That is too much."},
    {"parentheses within", "The envoy (He had just arrived from Oslo.) took his seat."},
    {"e-mail address", "Write to Ann.Lee@example.org. | We answer soon."},
    {"web address", "See https://www.example.org/a.b/c_d.html. | It is free."},
    {"single quotes within", "He cried, 'Come here.' and waved."},
    {"double quotes within", "He cried, \"Come here.\" and waved."},
    {"double quotes at the end", "He cried, \"Come here.\" | She did not move."},
    {"!!", "Stop!! | That is hot."},
    {"??", "Really?? | Who said so?"},
    {"!?", "What!? | Are you mad?"},
    {"?!", "What?! | Are you mad?"},
    {"list, 1.) with full stops", "1.) Open the box. | 2.) Take it out."},
    {"list, 1) with full stops", "1) Open the box. | 2) Take it out."},
    {"list, 1. with full stops", "1. Open the box. | 2. Take it out."},
    {"list with bullets", "\xE2\x80\xA2 8. Open the box | \xE2\x80\xA2 9. Take it out"},
    {"list with hyphen bullets", "\xE2\x81\x83"
                                 "8. Open the box | \xE2\x81\x83"
                                 "9. Take it out"},
    {"newline within", "The rain fell \non the roofs of the town."},
    {"number behind No.", "It is plot N\xC2\xB0. 12.55.3. | Nobody lives there."},
    {"name with an exclamation point", "He left Yahoo! after ten years."},
    {"I", "It was Anna and I. | Did you meet Carl I. Brown there?"},
    {"ellipsis before a quote's end",
     "She wrote that “the sea was calm and the night went on. . . .”"},
    {"ellipsis in brackets", "\"Rain [...] fell on the town [...]\" (Lee 12)."},
    {"four spaced dots", "It ended like that . . . . | Then came the spring."},
    {"four dots", "I thought so.... | He went home."},
    {"three dots within", "I was . . . well, tired . . . I think so."},
    /* English, more */
    {"initials", "J. R. Tolkien wrote it. | He lived in Oxford."},
    {"years end sentences", "It began in 1990. | Germany was divided then."},
    {"small numbers end sentences", "There were 12. | They went home."},
    {"article numbers", "Art. 5 and paras. 3 to 7 apply. | Art. is long."},
    {"no as a word", "Did he say no. | No. 5 did not."},
    {"a.m.", "We met at 9 a.m. | The talks began at once."},
    {"i.e. and e.g.", "Some, i.e. France, and others, e.g. Peru, agreed."},
    {"et al. and vs.", "Smith et al. 1999 compared cats vs. Dogs."},
    {"file names", "Open the file readme.txt. | Germany is in it."},
    {"Ph.D.", "She has a Ph.D. in law. | She teaches."},
    {"roman numbers", "It was World War II. | Germany lost."},
    /* German */
    {"quotes at the end",
     "„Es regnet“, sagte er und fügte hinzu: „Wir bleiben hier.“ | Es waren 2.500.000 Menschen."},
    {"abbreviations", "Nimm etwas mit, z. B. ist ein Schirm nützlich."},
    {"ordinals", "Er kam am 3. Mai und ging am 12. Juni."},
    {"ordinals before nouns", "Der 2. Weltkrieg und das 19. Jahrhundert. | Er las."},
    {"ordinals at the end", "Er wurde im Rennen nur 12. | Wir waren 3."},
    {"doctors and saints", "Am 3. Mai kam Dr. Weiss aus St. Gallen, z. B. mit Ana. | Er ging."},
    {"titles", "Frau Prof. Dr. med. Lang ist z. Z. krank. | Sie ruht."},
    {"z.B. and d.h.", "Obst, z.B. Äpfel, d.h. Kernobst, ist da."},
    {"pages and streets", "Siehe S. 12, Abs. 3 und Nr. 7 in der Bonner Str. 5."},
    {"usw.", "Er kaufte Brot, Milch usw. | Dann ging er."},
    {"adjectives", "Die ev. Kirche und die kath. Schule sind ca. 300 Jahre alt."},
    {"months", "Bis 5. Dez. 2014 war er da. | Danach nicht."},
    {"roman ordinals", "Das war im XIX. Jahrhundert so. | Heute nicht."},
    /* French */
    {"guillemets", "Il dit « Bonjour. » | Elle rit."},
    {"guillemets, within", "« Que veux-tu ? » demanda-t-il."},
    {"guillemets, statement", "Elle dit que « rien ne change ». | Il part."},
    {"titles", "M. Dupont et Mgr. Roche ont vu le Dr. Petit. | Ils parlent."},
    {"era", "C'était en 52 av. J.-C. | Les Romains arrivent."},
    {"Ltd.", "Les livres de Sirocco Ltd. sont rares."},
    {"etc.", "Il vend du pain, du lait, etc. | Le magasin ferme."},
    {"articles", "Voir l'art. 5 et la p. 12, éd. 2004. | Rien de plus."},
    {"several letters", "Les titres « S.A.R.M. » sont anciens."},
    /* Spanish */
    {"question mark", "¿Qué hora es? | Son las cinco."},
    {"exclamation point", "¡Qué frío hace! | Cierra la puerta."},
    {"abbreviations", "Llegó la Srta. Vega. | El Lic. Juan Mora y el Dr. Paz la vieron."},
    {"numbers", "¡Vale $2.500.000,00! | ¡Es caro! | Subió un 3.5% en un año."},
    {"quotations", "«Nada es eterno en este mundo.», dijo el rey."},
    {"countries", "Vive en los EE. UU. desde joven. | La ONU está en EE.UU. | Es grande."},
    {"articles", "Los párrs. 5 y 6 del art. 4, pág. 12, son claros."},
    {"p. ej.", "Hay frutas, p. ej. Manzanas y peras."},
    {"ustedes", "Hablé con Ud. y con la Sra. Ruiz. | Ella vino."},
    /* other scripts */
    {"without spaces", "こんにちは。|元気ですか？|はい。"},
    {"abbreviation at a blank line", "We met Dr.\n\n | Smith"},
    {"a compound with Str.", "Er wohnt in der Hauptstr. 5 in Ulm. | Dort ist es still."},
    {"an abbreviation that begins", "Vgl. § 5 Abs. 2 BGB. | Das gilt."},
    {"an abbreviation that begins, behind another",
     "Es ist so. | Ggf. Herrn Lutz fragen. | Danke."},
    {"no abbreviation at the end", "I met Phil. | He left."},
    {"Mme.", "M. Dupont et Mme. Durand sont là. | Ils parlent."},
    {"etc., French", "Voir p. 5, art. 3, etc. | Ensuite, on part."},
    {"Av., Spanish", "El núm. 5 de la Av. Libertad. | Es azul."},
    {"etc., Spanish", "Ud. lee, etc. | Nada más."},
    {"etc., German", "Brot, Käse usw. | Danach schlief er."},
};

/* The text with '|' where a sentence ends, as the splitter says; `step` bytes come at a time. */
static char *split(const char *text, size_t step) {
    const size_t size = strlen(text);
    bcl_string out = {0};
    size_t begin = 0, have = step < size ? step : size, from = 0;
    while (begin < size) {
        const size_t n = bcl_sentence_end(text + begin, have - begin, have == size, &from);
        if (!n) {
            assert_true(have < size);
            have = have + step < size ? have + step : size;
            continue;
        }
        OK(bcl_string_add(&out, text + begin, n));
        begin += n;
        from = 0;
        if (begin < size && strspn(text + begin, " \n") < size - begin)
            OK(bcl_string_add(&out, "|", 1));
    }
    return out.data;
}

/* Without white space, so that it does not matter on which side of '|' it stands. */
static void squeeze(char *text) {
    char *to = text;
    for (char *p = text; *p; p++)
        if (!strchr(" \n", *p) && !(*p == '|' && to > text && to[-1] == '|'))
            *to++ = *p;
    *to = 0;
}

static void test_rules(void **state) {
    (void)state;
    size_t bad = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bcl_string text = {0};
        char *want = NULL;
        for (const char *p = cases[i].text; *p; p++)
            if (*p != '|')
                OK(bcl_string_add(&text, *p == ' ' && p[1] == '|' ? "" : p,
                                  *p == ' ' && p[1] == '|' ? 0 : 1));
        OK(bcl_strdup(&want, cases[i].text));
        squeeze(want);
        for (size_t step = 1; step <= text.size; step += step < 4 ? 1 : text.size) {
            char *got = split(text.data, step == 4 ? text.size : step);
            squeeze(got);
            if (strcmp(got, want)) {
                print_message("%s (%zu bytes at a time): found    %s\n  expected %s\n",
                              cases[i].rule, step, got, want);
                bad++;
            }
            free(got);
        }
        free(want);
        bcl_string_free(&text);
    }
    assert_int_equal(bad, 0);
}

/* Any text, valid or not, is split alike however it comes, and nothing of it is lost. */
static void test_any_text(void **state) {
    (void)state;
    static const char *const parts[] = {".",
                                        ".",
                                        ".",
                                        " ",
                                        " ",
                                        " ",
                                        "\n",
                                        "A",
                                        "b",
                                        "12",
                                        "3",
                                        "Mr",
                                        "z",
                                        "B",
                                        "(",
                                        ")",
                                        "[",
                                        "]",
                                        "\"",
                                        "'",
                                        "\xC2\xBB",
                                        "\xE2\x80\x9C",
                                        "I",
                                        "XIX",
                                        "The",
                                        "No",
                                        "!",
                                        "?",
                                        "…",
                                        "。",
                                        "-",
                                        "\xFF",
                                        "\xE2",
                                        "Mai",
                                        "\xE2\x80\xA2",
                                        "U.S",
                                        "ab",
                                        "Der"};
    uint32_t random[4];
    for (uint32_t round = 0; round < 3000; round++) {
        bcl_string text = {0};
        for (uint32_t i = 0; i < 24; i++) {
            bcl_philox(random, (uint32_t[4]){round, i}, (uint32_t[2]){3});
            const char *part = parts[random[0] % (sizeof parts / sizeof *parts)];
            OK(bcl_string_add(&text, part, strlen(part)));
        }
        char *at_once = split(text.data, text.size), *slowly = split(text.data, 1);
        assert_string_equal(at_once, slowly);
        free(at_once);
        free(slowly);
        bcl_string_free(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules),
                                       cmocka_unit_test(test_any_text)};
    return cmocka_run_group_tests_name("sentences", tests, NULL, NULL);
}
