#include "scancorpus.h"

#define XMLNS_XML "http://www.w3.org/XML/1998/namespace"

/* clang-format off */
const struct scan_case scan_corpus_good[] = {
	/* the document's start */
	RAW("", "A header alone is told at once", USUAL, USUAL_SEEN),
	RAW("X35", "An XML declaration may come first", "<?xml version='1.0'?>" USUAL, USUAL_SEEN),
	RAW("X35", "It may name UTF-8 in any case",
		"<?xml version=\"1.0\" encoding=\"utf-8\"?>" USUAL, USUAL_SEEN),
	RAW("X35", "It may stand alone", "<?xml version='1.0' standalone='yes' ?>" USUAL, USUAL_SEEN),
	RAW("X35", "It may say all it can with white space wherever that may be",
		"<?xml\tversion = '1.0'\r\nencoding\n=\n'UTF-8' standalone ='yes'\t?>\r\n" USUAL, USUAL_SEEN),
	RAW("", "White space before the root is no matter", " \r\n\t" USUAL, USUAL_SEEN),
	RAW("", "The root may have any name: the header's reader judges it",
		"<a>", "H a\n"),
	RAW("ST-9", "A header's further namespaces are listed",
		"<s:s xmlns:s='urn:s' xmlns:t='urn:t&amp;u'>", "H s:s{urn:s} +s=urn:s +t=urn:t&u\n"),
	RAW("", "A header's attributes are given as written",
		"<a to='x.example' xml:lang = \"en\" id='&lt;'>", "H a to=x.example xml:lang{X}=en id=&lt;\n"),
	RAW("", "A header may declare the xml prefix as what it is, and that is not listed",
		"<a xmlns:xml='" XMLNS_XML "'>", "H a\n"),
	RAW("", "A root that binds its default to nothing has no namespace", "<a xmlns=''>", "H a ! +=\n"),

	/* elements */
	IN("", "An element of the default namespace needs it", "<m/>", "E m{S} +=S\n"),
	IN("", "An element with content ends at its end tag", "<m>x</m>", "E m{S} +=S\n"),
	IN("", "Elements follow each other with and without white space", "<a/><b/> \n<c/>\t",
		"E a{S} +=S\nE b{S} +=S\nE c{S} +=S\n"),
	IN("", "Children are part of their element", "<a><b><c/></b><d>x</d></a>", "E a{S} +=S\n"),
	IN("", "A child of the same name is no end", "<a><a></a></a>", "E a{S} +=S\n"),
	IN("", "White space may stand in tags where XML has it",
		"<a \n b\t=\r'1'\nc = \"2\" ></a \r\n>", "E a{S} b=1 c=2 +=S\n"),
	IN("", "The root's end is the stream's end", "<a/></stream:stream >\n", "E a{S} +=S\nEND\n"),
	IN("", "An element that has not ended is waited for", "<a><b/>", "MORE\n"),
	IN("", "A lone bracket is waited on", "<", "MORE\n"),
	IN("", "Names may hold digits, dots, dashes and low lines", "<_a-1.b c_-.9='1'/>",
		"E _a-1.b{S} c_-.9=1 +=S\n"),
	IN("", "A name may begin with xml", "<xmlfoo xmlbar='1'/>", "E xmlfoo{S} xmlbar=1 +=S\n"),

	/* namespaces */
	IN("ST-9", "A prefix of the header is needed", "<db:result>k</db:result>", "E db:result{D} +db=D\n"),
	IN("ST-9", "A prefix used inside only is needed", "<m><db:x/></m>", "E m{S} +=S +db=D\n"),
	IN("ST-9", "A prefix used by an attribute only is needed", "<m><y db:x='1'/></m>", "E m{S} +=S +db=D\n"),
	IN("ST-9", "A prefix the element binds is not needed",
		"<db:m xmlns:db='urn:mine'><db:x/></db:m>", "E db:m{urn:mine}\n"),
	IN("ST-9", "A prefix that a child binds is needed beside it",
		"<m><db:x xmlns:db='urn:mine'/><db:y/></m>", "E m{S} +=S +db=D\n"),
	IN("ST-9", "A child's binding ends with it, for its siblings",
		"<a:m xmlns:a='urn:1'><a:x xmlns:a='urn:2'/><a:y/></a:m>", "E a:m{urn:1}\n"),
	IN("ST-9", "A default namespace of its own needs no other",
		"<m xmlns='urn:m'><x/></m>", "E m{urn:m} !\n"),
	IN("ST-9", "A child without a default is in no namespace", "<m><x xmlns=''><y/></x></m>", "E m{S} +=S\n"),
	IN("ST-9", "An attribute without a prefix needs nothing", "<x:m xmlns:x='urn:x' a='1'/>",
		"E x:m{urn:x} a=1\n"),
	IN("", "The need of one element is not that of the next", "<db:a/><m/>",
		"E db:a{D} +db=D\nE m{S} +=S\n"),
	IN("", "xml is bound without a declaration and never needed", "<m xml:lang='de'><xml:x/></m>",
		"E m{S} xml:lang{X}=de +=S\n"),
	IN("", "xml may be declared as what it is", "<m xmlns:xml='" XMLNS_XML "' xml:id='a'/>",
		"E m{S} xml:id{X}=a +=S\n"),
	IN("", "Equal local names of other namespaces are two attributes",
		"<m a='1' db:a='2' x:a='3' xmlns:x='urn:x'/>",
		"E m{S} a=1 db:a{D}=2 x:a{urn:x}=3 +=S +db=D\n"),
	IN("", "An attribute may be called xmlns with a prefix", "<m db:xmlns='1'/>",
		"E m{S} db:xmlns{D}=1 +=S +db=D\n"),
	IN("", "A prefix bound again makes two attributes of what would be one",
		"<m xmlns:a='urn:1' xmlns:b='urn:1'><x xmlns:a='urn:2' a:q='' b:q=''/></m>", "E m{S} +=S\n"),
	IN("", "A declaration may follow its use", "<x:m x:a='1' xmlns:x='urn:x'/>",
		"E x:m{urn:x} x:a{urn:x}=1\n"),
	IN("", "A namespace name's references are resolved", "<m xmlns='urn:&#x61;&amp;b'/>",
		"E m{urn:a&b} !\n"),
	IN("", "Many attributes are told apart too",
		"<m a='' b='' c='' d='' e='' f='' g='' h='' i='' j='' k='' l='' m='' db:m=''/>",
		"E m{S} a= b= c= d= e= f= g= h= i= j= k= l= m= db:m{D}= +=S +db=D\n"),
	RAW("ST-9", "Where the header has no default namespace an element needs none",
		"<s:s xmlns:s='urn:s'><m/><s:m/></s:s>",
		"H s:s{urn:s} +s=urn:s\nE m +=\nE s:m{urn:s} +s=urn:s\nEND\n"),
	RAW("ST-9", "Hostile headers bind db: and stream: as they like",
		"<s xmlns:db='jabber:server' xmlns:stream='jabber:server:dialback'><db:m><stream:x/></db:m>",
		"H s +db=S +stream=D\nE db:m{S} +db=S +stream=D\n"),
	IN("", "Namespace names are URI references of every kind",
		"<m xmlns:a='vcard-temp' xmlns:b='http://a.example:80/p;x/?q=/?#f/?' xmlns:c='a/b:c'"
		" xmlns:d='//x/%41' xmlns:e='a+b-c.1:x/y' xmlns:f='#f' xmlns:g='?q' xmlns:h='http:///'"
		" xmlns:i='tag:a@b,2004:~!$&amp;&apos;()*'/>", "E m{S} +=S\n"),

	IN("", "The namespaces of everyday stanzas are taken",
		"<message from='a@a.example/x' to='b@b.example' type='chat' id='1'><body>x</body>"
		"<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'/></html>"
		"<encrypted xmlns='eu.siacs.conversations.axolotl'/><x xmlns='vcard-temp:x:update'/>"
		"<c xmlns='http://jabber.org/protocol/caps' node='https://gajim.org' ver='x='/>"
		"<d xmlns='http://www.w3.org/2000/09/xmldsig#'/><q xmlns='google:queue'/>"
		"<data xmlns='http://www.xmpp.org/extensions/xep-0084.html#ns-metadata'/></message>",
		"E message{S} from=a@a.example/x to=b@b.example type=chat id=1 +=S\n"),

	/* text */
	IN("X06", "The five entities and character references are text",
		"<m a='&lt;&gt;&amp;&apos;&quot;&#38;&#x26;'>&lt;&gt;&amp;&apos;&quot;&#65;&#x1F600;</m>",
		"E m{S} a=&lt;&gt;&amp;&apos;&quot;&#38;&#x26; +=S\n"),
	IN("X12", "Character references may name any character of XML",
		"<m>&#9;&#xa;&#13;&#xD7FF;&#xE000;&#xFFFD;&#x10FFFF;&#000065;</m>", "E m{S} +=S\n"),
	IN("X13", "Characters of two, three and four bytes are text",
		"<m a='\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80'>\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf"
		"\xee\x80\x80\xef\xbf\xbd\xf0\x90\x80\x80\xf4\x8f\xbf\xbf</m>",
		"E m{S} a=\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 +=S\n"),
	IN("", "Quotes of the other kind, > and white space may stand in a value",
		"<m a='\"> \t\r\n' b=\"'/>\"/>", "E m{S} a=\"> \t\r\n b='/> +=S\n"),
	IN("X19", "CDATA holds markup as text", "<m><![CDATA[<a></m>&x;<!-- ]] ]> ]]]></m>", "E m{S} +=S\n"),
	IN("X19", "CDATA may be empty and repeated", "<m><![CDATA[]]><![CDATA[]]]]></m>", "E m{S} +=S\n"),
	IN("X19", "Brackets that end nothing are text", "<m>] ]] ]]x]]&gt; ]<x/>]></m>", "E m{S} +=S\n"),
	IN("X19", "Brackets before a tag do not meet those behind it", "<m>]]<x a='>'/>></m>", "E m{S} +=S\n"),
	IN("X19", "Brackets before a reference do not meet what follows", "<m>]]&amp;></m>", "E m{S} +=S\n"),
	IN("", "Line ends of every kind are text", "<m>\r\n\r\n\n\r<![CDATA[\r\r\n]]></m>", "E m{S} +=S\n"),
	IN("", "DEL and the C1 controls are characters of XML 1.0", "<m>\x7f\xc2\x85\xc2\x9f</m>", "E m{S} +=S\n"),
	IN("X33", "White space between elements is no event", " \t\r\n  <m/>   ", "E m{S} +=S\n"),
	IN("", "White space after the end is no matter", "</stream:stream>  \r\n", "END\n"),
};
/* clang-format on */
const size_t scan_corpus_good_count = sizeof scan_corpus_good / sizeof *scan_corpus_good;
