/* cld2.cpp -- see cld2.h. The library has C++ names only; nothing of C++ is needed besides. */
#include "text/cld2.h"

#include <cstdio>

#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>

const char *
od_cld2_detect(const char *text, int n, int *percent, int *letters)
{
	const CLD2::CLDHints hints = { nullptr, nullptr, CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE };
	CLD2::Language language[3];
	double score[3];
	int share[3];
	bool reliable;

	CLD2::ExtDetectLanguageSummary(text, n, true, &hints, CLD2::kCLDFlagBestEffort, language, share, score, nullptr, letters,
		&reliable);
	*percent = share[0];
	return CLD2::LanguageCode(language[0]);
}

const char *
od_cld2_version(void)
{
	return CLD2::DetectLanguageVersion();
}
