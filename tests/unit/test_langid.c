/* Languages by CLD2, which has no parameters: every language it is said to know, by the same few sentences about children and the
 * weather (close relatives get some more); codes as langdetect has them; what is no text.
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
} sentences[] = {
	{ "af", "Elke oggend gaan die kinders skool toe, en saans vertel hulle vir hul ma wat hulle die dag geleer het. Die weer "
		"was gister baie koud." },
	{ "ar", "يذهب الأطفال كل صباح إلى المدرسة، وفي المساء يخبرون أمهم "
		"بما تعلموه خلال النهار. كان الطقس باردا جدا أمس." },
	{ "bg", "Всяка сутрин децата отиват на училище, а вечерта разказват на майка си какво са научили през деня. Вчера "
		"времето беше много студено и валеше сняг." },
	{ "bn", "প্রতিদিন সকালে শিশুরা স্কুলে যায় এবং সন্ধ্যায় তারা তাদের "
		"মাকে বলে তারা কী শিখেছে। গতকাল খুব ঠান্ডা ছিল।" },
	{ "ca", "Cada matí els nens van a l'escola i al vespre expliquen a la seva mare què han après durant el dia. Ahir feia "
		"molt de fred i nevava." },
	{ "cs", "Každé ráno chodí děti do školy a večer vyprávějí své matce, co se během dne naučily. Včera bylo velmi chladno a "
		"sněžilo." },
	{ "cy", "Bob bore mae'r plant yn mynd i'r ysgol, a gyda'r nos maent yn dweud wrth eu mam beth maent wedi'i ddysgu. Roedd "
		"hi'n oer iawn ddoe." },
	{ "da", "Hver morgen går børnene i skole, og om aftenen fortæller de deres mor, hvad de har lært i løbet af dagen. I går "
		"var det meget koldt." },
	{ "de", "Jeden Morgen gehen die Kinder in die Schule, und abends erzählen sie ihrer Mutter, was sie am Tag gelernt "
		"haben. Gestern war es sehr kalt." },
	{ "el", "Κάθε πρωί τα παιδιά πηγαίνουν στο σχολείο και το βράδυ λένε στη μητέρα τους τι έμαθαν. Χθες έκανε πολύ κρύο." },
	{ "en", "Every morning the children go to school, and in the evening they tell their mother what they have learned. "
		"Yesterday it was very cold." },
	{ "es", "Cada mañana los niños van a la escuela y por la noche le cuentan a su madre lo que han aprendido. Ayer hizo "
		"mucho frío y nevó." },
	{ "et", "Igal hommikul lähevad lapsed kooli ja õhtul räägivad nad emale, mida nad päeva jooksul õppisid. Eile oli väga "
		"külm ja sadas lund." },
	{ "fa", "هر روز صبح بچه‌ها به مدرسه می‌روند و شب برای مادرشان تعریف "
		"می‌کنند که چه یاد گرفته‌اند. دیروز هوا خیلی سرد بود." },
	{ "fi", "Joka aamu lapset menevät kouluun, ja illalla he kertovat äidilleen, mitä ovat oppineet päivän aikana. Eilen oli "
		"hyvin kylmä." },
	{ "fr", "Chaque matin les enfants vont à l'école, et le soir ils racontent à leur mère ce qu'ils ont appris. Hier il "
		"faisait très froid." },
	{ "gu", "દરરોજ સવારે બાળકો શાળાએ જાય છે અને સાંજે તેઓ તેમની માતાને "
		"કહે છે કે તેઓ શું શીખ્યા. ગઈકાલે ખૂબ ઠંડી હતી." },
	{ "he", "בכל בוקר הילדים הולכים לבית הספר, ובערב הם מספרים לאמם מה "
		"למדו במשך היום. אתמול היה קר מאוד." },
	{ "hi", "हर सुबह बच्चे स्कूल जाते हैं और शाम को वे अपनी माँ को बताते "
		"हैं कि उन्होंने क्या सीखा। कल बहुत ठंड थी।" },
	{ "hr", "Svakoga jutra djeca idu u školu, a navečer pripovijedaju majci što su naučila. U siječnju je bilo vrlo hladno, "
		"a vlakovi nisu stizali na kolodvor cijeli tjedan. Tko želi slušati glazbu, neka dođe u kazalište; ulaznica "
		"stoji tisuću kuna." },
	{ "hu", "A gyerekek minden reggel iskolába mennek, este pedig elmesélik az anyjuknak, mit tanultak aznap. Tegnap nagyon "
		"hideg volt." },
	{ "id", "Setiap pagi anak-anak pergi ke sekolah, dan pada malam hari mereka bercerita kepada ibunya apa yang telah "
		"mereka pelajari. Kemarin cuacanya sangat dingin karena hujan." },
	{ "it", "Ogni mattina i bambini vanno a scuola e la sera raccontano alla madre quello che hanno imparato. Ieri faceva "
		"molto freddo." },
	{ "ja", "毎朝子どもたちは学校へ行き、夕方になると、その日に習ったことを母親に話します。昨日はとても寒かったです。" },
	{ "kn", "ಪ್ರತಿದಿನ ಬೆಳಿಗ್ಗೆ ಮಕ್ಕಳು ಶಾಲೆಗೆ ಹೋಗುತ್ತಾರೆ ಮತ್ತು ಸಂಜೆ ತಮ್ಮ "
		"ತಾಯಿಗೆ ಏನು ಕಲಿತರು ಎಂದು ಹೇಳುತ್ತಾರೆ." },
	{ "ko", "아이들은 매일 아침 학교에 가고, 저녁에는 그날 배운 것을 어머니에게 이야기합니다. 어제는 매우 추웠습니다." },
	{ "lt", "Kiekvieną rytą vaikai eina į mokyklą, o vakare pasakoja savo motinai, ko išmoko per dieną. Vakar buvo labai "
		"šalta." },
	{ "lv", "Katru rītu bērni iet uz skolu, un vakarā viņi stāsta savai mātei, ko ir iemācījušies. Vakar bija ļoti auksts." },
	{ "mk", "Секое утро децата одат на училиште, а вечерта ѝ раскажуваат на својата мајка што научиле во текот на денот. "
		"Вчера беше многу студено и врнеше снег." },
	{ "ml", "എല്ലാ ദിവസവും രാവിലെ കുട്ടികൾ സ്കൂളിൽ പോകുന്നു, വൈകുന്നേരം "
		"അവർ പഠിച്ചത് അമ്മയോട് പറയുന്നു." },
	{ "mr", "दररोज सकाळी मुले शाळेत जातात आणि संध्याकाळी ती आपल्या आईला "
		"काय शिकले ते सांगतात. काल खूप थंडी होती आणि पाऊस पडत होता." },
	{ "ne", "हरेक बिहान केटाकेटीहरू विद्यालय जान्छन् र साँझ आफूले के "
		"सिके भनेर आमालाई सुनाउँछन्। हिजो धेरै जाडो थियो र पानी "
		"परेको थियो।" },
	{ "nl", "Elke ochtend gaan de kinderen naar school en 's avonds vertellen ze hun moeder wat ze die dag hebben geleerd. "
		"Gisteren was het erg koud." },
	{ "no", "Hver morgen går barna på skolen, og om kvelden forteller de moren sin hva de har lært i løpet av dagen. I går "
		"var det veldig kaldt, og det snødde mye oppe på fjellet." },
	{ "pa", "ਹਰ ਸਵੇਰ ਬੱਚੇ ਸਕੂਲ ਜਾਂਦੇ ਹਨ ਅਤੇ ਸ਼ਾਮ ਨੂੰ ਆਪਣੀ ਮਾਂ ਨੂੰ ਦੱਸਦੇ "
		"ਹਨ ਕਿ ਉਨ੍ਹਾਂ ਨੇ ਕੀ ਸਿੱਖਿਆ।" },
	{ "pl", "Każdego ranka dzieci idą do szkoły, a wieczorem opowiadają swojej matce, czego się nauczyły. Wczoraj było "
		"bardzo zimno." },
	{ "pt", "Todas as manhãs as crianças vão à escola e à noite contam à mãe o que aprenderam durante o dia. Ontem não fez "
		"muito frio." },
	{ "ro", "În fiecare dimineață copiii merg la școală, iar seara îi povestesc mamei lor ce au învățat. Ieri a fost foarte "
		"frig." },
	{ "ru", "Каждое утро дети ходят в школу, а вечером рассказывают своей матери, чему они научились за день. Вчера было "
		"очень холодно." },
	{ "sk", "Každé ráno chodia deti do školy a večer rozprávajú svojej matke, čo sa počas dňa naučili. Včera bolo veľmi "
		"chladno a snežilo." },
	{ "sl", "Vsako jutro gredo otroci v šolo, zvečer pa materi pripovedujejo, kaj so se čez dan naučili. Včeraj je bilo zelo "
		"mraz." },
	{ "sq", "Çdo mëngjes fëmijët shkojnë në shkollë dhe në mbrëmje i tregojnë nënës së tyre çfarë kanë mësuar. Dje bëri "
		"shumë ftohtë." },
	{ "sv", "Varje morgon går barnen till skolan, och på kvällen berättar de för sin mamma vad de har lärt sig. I går var "
		"det mycket kallt." },
	{ "sw", "Kila asubuhi watoto huenda shuleni, na jioni humwambia mama yao yale waliyojifunza siku hiyo. Jana kulikuwa na "
		"baridi kali sana." },
	{ "ta", "ஒவ்வொரு நாளும் காலையில் குழந்தைகள் பள்ளிக்குச் "
		"செல்கிறார்கள், மாலையில் தாங்கள் கற்றதைத் தாயிடம் "
		"சொல்கிறார்கள்." },
	{ "te", "ప్రతి రోజు ఉదయం పిల్లలు బడికి వెళ్తారు, సాయంత్రం తాము "
		"నేర్చుకున్నది తల్లికి చెబుతారు." },
	{ "th", "ทุกเช้าเด็กๆ ไปโรงเรียน "
		"และในตอนเย็นพวกเขาเล่าให้แม่ฟังว่าได้เรียนรู้อะไรบ้าง "
		"เมื่อวานอากาศหนาวมาก" },
	{ "tl", "Tuwing umaga ay pumapasok ang mga bata sa paaralan, at sa gabi ay ikinukuwento nila sa kanilang ina ang "
		"kanilang natutuhan. Napakalamig kahapon." },
	{ "tr", "Çocuklar her sabah okula gider ve akşam annelerine gün boyunca ne öğrendiklerini anlatırlar. Dün hava çok "
		"soğuktu." },
	{ "uk", "Щоранку діти йдуть до школи, а ввечері розповідають своїй матері, чого вони навчилися за день. Учора було дуже "
		"холодно." },
	{ "ur", "ہر صبح بچے اسکول جاتے ہیں اور شام کو اپنی ماں کو بتاتے ہیں "
		"کہ انہوں نے کیا سیکھا ہے۔ کل بہت سردی تھی۔" },
	{ "vi", "Mỗi buổi sáng bọn trẻ đến trường, và buổi tối chúng kể cho "
		"mẹ nghe những gì đã học được. Hôm qua trời rất lạnh." },
	{ "zh-cn", "孩子们每天早上去学校，晚上把当天学到的东西讲给妈妈听。昨天天气非常冷，还下了雪。" },
	{ "zh-tw", "孩子們每天早上去學校，晚上把當天學到的東西講給媽媽聽。昨天天氣非常冷，還下了雪。" },
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
	for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
		double prob;
		const char *name = language(l, sentences[i].text, &prob);

		if (name == NULL || strcmp(name, sentences[i].language) != 0) {
			print_error("%s taken for %s\n", sentences[i].language, name ? name : "nothing");
			wrong++;
		}
		assert_true(prob > 0.5 && prob <= 1);
		assert_true(od_langid_knows(l, sentences[i].language));
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(sizeof sentences / sizeof *sentences, 54);
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
	assert_string_equal(language(l, "Heute gehen\x01 die \xef\xbf\xbf Kinder \xc2\x85 nicht\x7f in die\f Schule", NULL), "de");
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
		od_buf_str(&text, "Heute gehen die Kinder nicht in die Schule. ");
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
