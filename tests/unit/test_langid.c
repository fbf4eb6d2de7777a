/* Languages by CLD2, which has no parameters: every language it is said to know, by the first article of the declaration of
 * human rights (Bulgarian's alone is taken for Serbian, so more of it); codes as langdetect has them; what is no text.
 * Profiles are tested by tests/cli/od-eval/ifeval.t and the reference cases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "text/langid.h"

static const struct {
	const char *language, *text;
} articles[] = {
	{ "af", "Alle menslike wesens word vry, met gelyke waardigheid en regte, gebore. Hulle het rede en gewete en "
		"behoort in die gees van broederskap teenoor mekaar op te tree." },
	{ "ar", "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق، وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا "
		"بروح الإخاء." },
	{ "bg", "Всички хора се раждат свободни и равни по достойнство и права. Те са надарени с разум и "
		"съвест и следва да се отнасят помежду си в дух на братство. Всеки има право на живот, свобода и лична "
		"сигурност. Никой не трябва да бъде държан в робство или в принудително подчинение." },
	{ "bn", "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে। তাঁদের বিবেক এবং বুদ্ধি আছে।" },
	{ "ca", "Tots els éssers humans neixen lliures i iguals en dignitat i en drets. Són dotats de raó i de "
		"consciència, i han de comportar-se fraternalment els uns amb els altres." },
	{ "cs", "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Jsou nadáni rozumem a svědomím "
		"a mají spolu jednat v duchu bratrství." },
	{ "cy", "Genir pawb yn rhydd ac yn gydradd â'i gilydd mewn urddas a hawliau. Fe'u cynysgaeddir â rheswm a "
		"chydwybod, a dylai pawb ymddwyn y naill at y llall mewn ysbryd cymodlon." },
	{ "da", "Alle mennesker er født frie og lige i værdighed og rettigheder. De er udstyret med fornuft og "
		"samvittighed, og de bør handle mod hverandre i en broderskabets ånd." },
	{ "de", "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen "
		"begabt und sollen einander im Geist der Brüderlichkeit begegnen." },
	{ "el", "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα." },
	{ "en", "All human beings are born free and equal in dignity and rights. They are endowed with reason and "
		"conscience and should act towards one another in a spirit of brotherhood." },
	{ "es", "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de "
		"razón y conciencia, deben comportarse fraternalmente los unos con los otros." },
	{ "et", "Kõik inimesed sünnivad vabadena ja võrdsetena oma väärikuselt ja õigustelt. Neile on antud mõistus "
		"ja südametunnistus ja nende suhtumist üksteisesse peab kandma vendluse vaim." },
	{ "fa", "تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت و حقوق با هم برابرند. همه دارای عقل و وجدان "
		"هستند و باید نسبت به یکدیگر با روح برادری رفتار کنند." },
	{ "fi", "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. Heille on annettu "
		"järki ja omatunto, ja heidän on toimittava toisiaan kohtaan veljeyden hengessä." },
	{ "fr", "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison "
		"et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité." },
	{ "gu", "પ્રતિષ્ઠા અને અધિકારોની દૃષ્ટિએ સર્વ માનવો જન્મથી સ્વતંત્ર અને સમાન હોય છે." },
	{ "he", "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון." },
	{ "hi", "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें "
		"बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।" },
	{ "hr", "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima. Ona su obdarena razumom i "
		"sviješću i trebaju jedna prema drugima postupati u duhu bratstva. Tko što prije tjedan dana." },
	{ "hu", "Minden emberi lény szabadon születik és egyenlő méltósága és joga van. Az emberek, ésszel és "
		"lelkiismerettel bírván, egymással szemben testvéri szellemben kell hogy viseltessenek." },
	{ "id", "Semua orang dilahirkan merdeka dan mempunyai martabat dan hak-hak yang sama. Mereka dikaruniai akal "
		"dan hati nurani dan hendaknya bergaul satu sama lain dalam semangat persaudaraan." },
	{ "it", "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e "
		"di coscienza e devono agire gli uni verso gli altri in spirito di fratellanza." },
	{ "ja", "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。" },
	{ "kn", "ಎಲ್ಲಾ ಮಾನವರೂ ಸ್ವತಂತ್ರರಾಗಿಯೇ ಜನಿಸಿದ್ದಾರೆ. ಹಾಗೂ ಘನತೆ ಮತ್ತು ಹಕ್ಕುಗಳಲ್ಲಿ ಸಮಾನರಾಗಿದ್ದಾರೆ." },
	{ "ko", "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다." },
	{ "lt", "Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis. Jiems suteiktas protas ir sąžinė ir jie "
		"turi elgtis vienas kito atžvilgiu kaip broliai." },
	{ "lv", "Visi cilvēki piedzimst brīvi un vienlīdzīgi savā pašcieņā un tiesībās. Viņi ir apveltīti ar saprātu "
		"un sirdsapziņu, un viņiem jāizturas citam pret citu brālības garā." },
	{ "mk", "Сите човечки суштества се раѓаат слободни и еднакви по достоинство и права. Тие се обдарени со "
		"разум и совест и треба да се однесуваат еден кон друг во духот на општо човечката припадност." },
	{ "ml", "മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും അന്തസ്സോടും സ്വാതന്ത്ര്യത്തോടുംകൂടി ജനിച്ചിട്ടുള്ളവരാണ്." },
	{ "mr", "सर्व मानवी व्यक्ति जन्मतःच स्वतंत्र आहेत व त्यांना समान प्रतिष्ठा व समान अधिकार आहेत. त्यांना "
		"विचारशक्ती व सदसद्विवेकबुद्धी लाभलेली आहे." },
	{ "ne", "सबै व्यक्तिहरू जन्मजात स्वतन्त्र हुन् ती सबैको समान अधिकार र महत्व छ। निजहरूमा विचार शक्ति र "
		"सद्विचार भएकोले निजहरूले आपसमा भातृत्वको भावनाबाट व्यवहार गर्नु पर्छ।" },
	{ "nl", "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met "
		"verstand en geweten, en behoren zich jegens elkander in een geest van broederschap te gedragen." },
	{ "no", "Alle mennesker er født frie og med samme menneskeverd og menneskerettigheter. De er utstyrt med "
		"fornuft og samvittighet og bør handle mot hverandre i brorskapets ånd." },
	{ "pa", "ਸਾਰਾ ਮਨੁੱਖੀ ਪਰਿਵਾਰ ਆਪਣੀ ਮਹਿਮਾ, ਸ਼ਾਨ ਅਤੇ ਹੱਕਾਂ ਦੇ ਪੱਖੋਂ ਜਨਮ ਤੋਂ ਹੀ ਆਜ਼ਾਦ ਹੈ." },
	{ "pl", "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni "
		"rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa." },
	{ "pt", "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de "
		"consciência, devem agir uns para com os outros em espírito de fraternidade." },
	{ "ro", "Toate ființele umane se nasc libere și egale în demnitate și în drepturi. Ele sunt înzestrate cu "
		"rațiune și conștiință și trebuie să se comporte unele față de altele în spiritul fraternității." },
	{ "ru", "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и "
		"совестью и должны поступать в отношении друг друга в духе братства." },
	{ "sk", "Všetci ľudia sa rodia slobodní a sebe rovní, čo sa týka ich dôstojnosti a práv. Sú obdarení rozumom "
		"a svedomím a majú navzájom jednať v bratskom duchu." },
	{ "sl", "Vsi ljudje se rodijo svobodni in imajo enako dostojanstvo in enake pravice. Obdarjeni so z razumom "
		"in vestjo in bi morali ravnati drug z drugim kakor bratje." },
	{ "sq", "Të gjithë njerëzit lindin të lirë dhe të barabartë në dinjitet dhe në të drejta. Ata kanë arsye dhe "
		"ndërgjegje dhe duhet të sillen ndaj njëri tjetrit me frymë vëllazërimi." },
	{ "sv", "Alla människor är födda fria och lika i värde och rättigheter. De är utrustade med förnuft och "
		"samvete och bör handla gentemot varandra i en anda av broderskap." },
	{ "sw", "Watu wote wamezaliwa huru, hadhi na haki zao ni sawa. Wote wamejaliwa akili na dhamiri, hivyo "
		"yapasa watendeane kindugu." },
	{ "ta", "மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்; அவர்கள் மதிப்பிலும் உரிமைகளிலும் சமமானவர்கள்." },
	{ "te", "ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును జన్మతః స్వతంత్రులును సమానులును నగుదురు." },
	{ "th", "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ" },
	{ "tl", "Ang lahat ng tao'y isinilang na malaya at pantay-pantay sa karangalan at mga karapatan. Sila'y "
		"pinagkalooban ng katwiran at budhi at dapat magpalagayan ang isa't isa sa diwa ng pagkakapatiran." },
	{ "tr", "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve "
		"birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler." },
	{ "uk", "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і "
		"совістю і повинні діяти у відношенні один до одного в дусі братерства." },
	{ "ur", "تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں۔ انہیں ضمیر اور عقل ودیعت ہوئی ہے۔" },
	{ "vi", "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền. Mọi con người đều được "
		"tạo hoá ban cho lý trí và lương tâm." },
	{ "zh-cn", "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。" },
	{ "zh-tw", "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神相對待。" },
};

static struct od_langid *
cld2(void)
{
	struct od_langid *l = NULL;
	struct od_error err = OD_ERROR_INIT;

	assert_int_equal(od_langid_cld2(&l, &err), OD_OK);
	return l;
}

static const char *
language(struct od_langid *l, const char *text, double *prob)
{
	struct od_error err = OD_ERROR_INIT;
	const char *name = "?";

	assert_int_equal(od_langid_detect(l, text, strlen(text), &name, prob, &err), OD_OK);
	return name;
}

static void
test_every_language(void **state)
{
	struct od_langid *l = cld2();
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof articles / sizeof *articles; i++) {
		double prob;
		const char *name = language(l, articles[i].text, &prob);

		if (name == NULL || strcmp(name, articles[i].language) != 0) {
			print_error("%s taken for %s\n", articles[i].language, name ? name : "nothing");
			wrong++;
		}
		assert_true(prob > 0.5 && prob <= 1);
		assert_true(od_langid_knows(l, articles[i].language));
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(sizeof articles / sizeof *articles, 54);
	assert_false(od_langid_knows(l, "so"));
	assert_false(od_langid_knows(l, "zh"));
	assert_false(od_langid_knows(l, ""));
	od_langid_close(l);
}

static void
test_capitals_and_short_texts(void **state)
{
	struct od_langid *l = cld2();

	(void)state;
	assert_string_equal(language(l, "THE CAT SAT ON THE MAT AND LOOKED AT THE DOG", NULL), "en");
	assert_string_equal(language(l, "yes", NULL), "en");
	od_langid_close(l);
}

static void
test_no_text(void **state)
{
	static const char *const texts[] = { "", " \n", "12345", "1. 2 + 3 = 5!", "?!", "\x01\x02" };
	struct od_langid *l = cld2();
	double prob;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		prob = 7;
		assert_null(language(l, texts[i], &prob));
		assert_true(prob == 0);
	}
	/* Control characters and code points that are no characters do not spoil the rest. */
	assert_string_equal(language(l, "Alle Menschen\x01 sind \xef\xbf\xbf frei \xc2\x85 und\x7f gleich\f geboren", NULL), "de");
	od_langid_close(l);
}

/* Only the first mebibyte is looked at, and never half a character. */
static void
test_a_long_text(void **state)
{
	struct od_langid *l = cld2();
	struct od_buf text = OD_BUF_INIT;

	(void)state;
	while (text.len < ((size_t)1 << 20) - 1)
		od_buf_str(&text, text.len % 2 ? "é" : "\xe2\x82\xac a");
	for (int i = 0; i < 50000; i++)
		od_buf_str(&text, "Alle Menschen sind frei und gleich geboren. ");
	assert_true(od_buf_ok(&text));
	assert_string_not_equal(language(l, text.data, NULL), "de");
	od_buf_release(&text);
	od_langid_close(l);
}

static void
test_names(void **state)
{
	struct od_langid *l = cld2();

	(void)state;
	assert_memory_equal(od_langid_name(l), "CLD2 V", 6);
	od_langid_close(l);
	od_langid_close(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_language), cmocka_unit_test(test_capitals_and_short_texts), cmocka_unit_test(test_no_text),
		cmocka_unit_test(test_a_long_text), cmocka_unit_test(test_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
