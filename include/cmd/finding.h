/* What is wrong with how a domain is published, in words for people who are not from the trade: one
 * table of findings, each with who must act and what to do. Ids are stable. */
#ifndef FEDGATE_CMD_FINDING_H
#define FEDGATE_CMD_FINDING_H

#include <stddef.h>

enum finding_who { WHO_CUSTOMER, WHO_DNS_PROVIDER, WHO_HOST, WHO_WAIT, WHO_NOBODY };
enum finding_weight { FINDING_PROBLEM, FINDING_ADVICE, FINDING_GOOD };

/* X(symbol, id, who, weight, sentence, fix): {0}, {1}, ... stand for the finding's own words. */
#define FINDING_TABLE(X)                                                                           \
	X(FIND_SRV_MISSING, "ON-01", CUSTOMER, PROBLEM,                                            \
		"Other servers cannot find the chat service of {0} yet: the DNS record {1} is "    \
		"missing.",                                                                        \
		"Publish: {1}. 3600 IN SRV {2}")                                                   \
	X(FIND_SRV_ELSEWHERE, "ON-02", CUSTOMER, PROBLEM,                                          \
		"The DNS record {1} exists, but it points to {2} instead of {3}.",                 \
		"Change its target to {3}.")                                                       \
	X(FIND_SRV_DOUBLED, "ON-03", CUSTOMER, PROBLEM,                                            \
		"The DNS provider added the domain twice: the record is called {1}.",              \
		"Enter {2} alone as the record's name.")                                           \
	X(FIND_SRV_PORT, "ON-04", CUSTOMER, PROBLEM,                                               \
		"The DNS record {1} says port {2}; other servers are awaited at port {3}.",        \
		"Change its port to {3}.")                                                         \
	X(FIND_OLD_ANSWER, "ON-05", WAIT, PROBLEM,                                                 \
		"The DNS record {1} was changed, but the old one may be remembered until {2} "     \
		"({3}).",                                                                          \
		"Probe again then.")                                                               \
	X(FIND_SRV_DISAGREE, "ON-06", CUSTOMER, PROBLEM,                                           \
		"The records at {1} disagree: some connections will go to {2}.",                   \
		"Delete the record that points to {2}.")                                           \
	X(FIND_SERVERS_DIFFER, "ON-07", DNS_PROVIDER, PROBLEM,                                     \
		"The name servers of {0} give different answers about {1}: {2} and {3} do not "    \
		"agree.",                                                                          \
		"Look why {3} does not have the zone that {2} has.")                               \
	X(FIND_DNSSEC_BROKEN, "ON-08", DNS_PROVIDER, PROBLEM,                                      \
		"The security signature (DNSSEC) of {1} is broken; careful servers treat the "     \
		"whole domain as offline.",                                                        \
		"Have the zone signed again, or take its DS record away.")                         \
	X(FIND_TARGET_ALIAS, "ON-09", CUSTOMER, ADVICE,                                            \
		"The target {1} is an alias (CNAME) of {2}; some servers refuse that.",            \
		"Name {2} in the SRV record.")                                                     \
	X(FIND_CAA_FORBIDS, "ON-10", CUSTOMER, PROBLEM,                                            \
		"The CAA record of {1} forbids {2} to issue certificates for {0}.",                \
		"Publish what `fedgate records {0} --ca NAME` prints for that authority.")         \
	X(FIND_POSH_MISSING, "ON-13", CUSTOMER, PROBLEM,                                           \
		"The file is not there: {1} answers {2}.",                                         \
		"Put the document there; `fedgate posh {0}` prints it.")                           \
	X(FIND_POSH_REDIRECT, "ON-14", CUSTOMER, ADVICE,                                           \
		"The file is there, but {1} leads elsewhere first ({2}); many servers do not "     \
		"follow.",                                                                         \
		"Serve the document at that address itself, without a redirect or a reference.")   \
	X(FIND_POSH_NO_JSON, "ON-15", CUSTOMER, PROBLEM,                                           \
		"What {1} holds is not the document that belongs there ({2}).",                    \
		"Put the document there, unchanged; `fedgate posh {0}` prints it.")                \
	X(FIND_POSH_OTHER_CERTIFICATE, "ON-16", CUSTOMER, PROBLEM,                                 \
		"The file at {1} is for another certificate than the one in use.",                 \
		"Replace it; `fedgate posh {0}` prints the new one.")                              \
	X(FIND_WEB_CERTIFICATE, "ON-17", CUSTOMER, PROBLEM,                                        \
		"The web site's own certificate is expired or for another name, so nobody can "    \
		"trust the file at {1}.",                                                          \
		"Renew the certificate of the web site.")                                          \
	X(FIND_PRIVATE_ADDRESS, "ON-18", CUSTOMER, PROBLEM,                                        \
		"{1} is only reachable inside a private network ({2}).",                           \
		"Publish an address that the whole Internet can reach.")                           \
	X(FIND_POSH_EXPIRES, "ON-19", CUSTOMER, PROBLEM,                                           \
		"`expires` in the file at {1} is missing, 0 or no number of seconds.",             \
		"Use the document that `fedgate posh {0}` prints.")                                \
	X(FIND_FINE, "ON-21", NOBODY, GOOD, "Everything is published; {0} is proven by {1}.", "")  \
	X(FIND_BACKEND_SILENT, "ON-22", HOST, PROBLEM,                                             \
		"The chat server of {0} behind this gate does not answer at {1}.",                 \
		"Start it, or correct `backend` in the tenant's file.")                            \
	X(FIND_BACKEND_UNKNOWN, "ON-23", HOST, PROBLEM,                                            \
		"The chat server behind this gate does not know {0}.",                             \
		"Add the domain to its configuration.")                                            \
	X(FIND_TWO_SPELLINGS, "ON-24", NOBODY, ADVICE,                                             \
		"The domain can be written in two ways; in DNS it is {1}.",                        \
		"Use that spelling for DNS records.")                                              \
	X(FIND_TLSA_MISSING, "ON-27", HOST, PROBLEM,                                               \
		"The record {1} is missing, so servers that check DANE cannot prove {0}.",         \
		"Publish: {1}. 3600 IN TLSA {2}")                                                  \
	X(FIND_TLSA_OTHER_KEY, "ON-28", HOST, PROBLEM,                                             \
		"The record {1} is for other keys than the one in use; careful servers refuse "    \
		"{0}.",                                                                            \
		"Publish: {1}. 3600 IN TLSA {2}")                                                  \
	X(FIND_TLSA_NEXT, "ON-29", HOST, PROBLEM,                                                  \
		"The record {1} does not announce the next key yet.",                              \
		"Publish beside it: {1}. 3600 IN TLSA {2}")                                        \
	X(FIND_CAA_MISSING, "ON-30", CUSTOMER, ADVICE,                                             \
		"No CAA record says which authorities may issue certificates for {0}.",            \
		"Publish the one that `fedgate records {0} --ca NAME` prints; NAME is the "        \
		"authority that the domain uses.")                                                 \
	X(FIND_UNREACHABLE, "ON-31", HOST, PROBLEM, "{1} cannot be reached: {2}.",                 \
		"Look whether the server runs and whether a firewall lets port {3} through.")      \
	X(FIND_CERTIFICATE, "ON-32", HOST, PROBLEM,                                                \
		"The certificate shown at {1} proves nothing for {0}: {2}.",                       \
		"Get a certificate for {0}, or publish POSH or DANE.")                             \
	X(FIND_NEXT_MISSING, "ON-33", CUSTOMER, PROBLEM,                                           \
		"The file at {1} does not list the next certificate yet.",                         \
		"Replace it; `fedgate posh {0}` prints the new one.")                              \
	X(FIND_NO_TLS, "ON-34", HOST, PROBLEM, "The server at {1} does not offer encryption.",     \
		"Turn TLS on in its configuration.")                                               \
	X(FIND_STREAM, "ON-35", HOST, PROBLEM, "The server at {1} ended the conversation: {2}.",   \
		"Look into the server's log.")                                                     \
	X(FIND_UNSIGNED, "ON-36", DNS_PROVIDER, PROBLEM,                                           \
		"The domain {1} is not signed (DNSSEC), so DANE proves nothing for it.",           \
		"Have the zone signed.")                                                           \
	X(FIND_DNS_SILENT, "ON-37", DNS_PROVIDER, PROBLEM,                                         \
		"DNS gives no answer about {1}, so nobody can tell where {0} is: {2}.",            \
		"Look whether the zone's name servers run and can be reached.")                    \
	X(FIND_NO_SERVICE, "ON-38", CUSTOMER, PROBLEM,                                             \
		"DNS says that {0} has no chat service for other servers.",                        \
		"If it has one, replace the target of {1}, which is a dot alone.")                 \
	X(FIND_CLIENTS_MISSING, "ON-39", CUSTOMER, ADVICE,                                         \
		"Chat programs cannot find the chat service of {0} by DNS: the record {1} is "     \
		"missing.",                                                                        \
		"Publish what `fedgate records {0} --clients HOST` prints.")                       \
	X(FIND_POSH_OPTIONAL, "ON-40", CUSTOMER, ADVICE,                                           \
		"The file {1} is not there ({2}); some who look for it cannot tell whether "       \
		"{0} is genuine.",                                                                 \
		"Put the document there; `fedgate posh {0}` prints it.")                           \
	X(FIND_EXPIRES_SOON, "ON-41", HOST, ADVICE,                                                \
		"The certificate of {0} can be used for {1}, until {2}.", "Renew it, and reload.") \
	X(FIND_PREVIOUS_GONE, "ON-42", HOST, ADVICE,                                               \
		"{1} does not mention what was in use before any more; some servers remember it.", \
		"Leave it there until `fedgate rotate` lets it go.")                               \
	X(FIND_UNPROVEN, "ON-43", HOST, PROBLEM, "Nothing proves {0}: {1}.",                       \
		"If the certificate was changed, reload the gate; else see the steps above.")

enum finding_id {
#define FINDING_SYMBOL(symbol, id, who, weight, sentence, fix) symbol,
	FINDING_TABLE(FINDING_SYMBOL)
#undef FINDING_SYMBOL
		FINDING_COUNT
};

enum { FINDING_WORDS = 4 };

struct finding_row {
	const char *id;
	enum finding_who who;
	enum finding_weight weight;
	const char *sentence, *fix;
};

const struct finding_row *finding_row(enum finding_id id);
const char *finding_who_name(enum finding_who who);          /* "the domain's owner", ... */
const char *finding_weight_name(enum finding_weight weight); /* "problem", "advice", "good" */

/* The pattern with its words put in; out is cut to size. */
void finding_fill(
	const char *pattern, const char *const words[FINDING_WORDS], char *out, size_t size);

#endif
