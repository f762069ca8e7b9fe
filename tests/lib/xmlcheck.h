/* For tests of the stream machines: is what they wrote XML, whatever came in? Judged by libxml2,
 * which did not write it. */
#ifndef FEDGATE_TESTS_XMLCHECK_H
#define FEDGATE_TESTS_XMLCHECK_H

#include "base/slice.h"

#include <libxml/parser.h>

#include <string.h>

#define XML_DECLARATION "<?xml version='1.0'?>"

static inline bool xml_document_fine(struct slice text)
{
	xmlParserCtxt *ctx = xmlCreatePushParserCtxt(NULL, NULL, NULL, 0, NULL);
	xmlCtxtUseOptions(ctx, XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET);
	/* Not terminated: a stream that goes on is no fault, one that goes wrong is. */
	(void)xmlParseChunk(ctx, text.ptr, (int)text.len, 0);
	bool fine = ctx->wellFormed && ctx->nsWellFormed;
	xmlFreeDoc(ctx->myDoc);
	xmlFreeParserCtxt(ctx);
	return fine;
}

/* All that one side wrote on one connection: documents, each begun by an XML declaration (a stream
 * restart begins a new one). Nothing at all is fine too. */
static inline bool xml_output_fine(struct slice text)
{
	const size_t mark = sizeof XML_DECLARATION - 1;
	while (text.len) {
		size_t end = mark;
		if (!slice_starts(text, XML_DECLARATION))
			return false;
		while (end < text.len &&
			!slice_starts(slice_sub(text, end, text.len), XML_DECLARATION))
			end++;
		if (!xml_document_fine(slice_sub(text, 0, end)))
			return false;
		text = slice_sub(text, end, text.len);
	}
	return true;
}

#endif
