// Asks miekg/dns which rdata it decodes, for every type that it knows, and prints a JSON line for each record that it began
// with: see README.md.
package main

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/miekg/dns"
)

// Header (two answers), question a.test. A.
const head = "000084000001000200000000" + "0161047465737400" + "00010001"

// The record behind the one in question: rdata that runs over its end meets octets, not the end of the message.
const next = "c00c" + "00010001" + "0000003c" + "0004" + "c0000201"

// What octets are set to, one at a time.
var values = []byte{0x00, 0x01, 0x02, 0x08, 0x21, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff}

// What is put behind the whole rdata.
var tails = []string{"00", "0000", "000000", "00000000", "01", "ff", "0161", "00ff", "c00c"}

// Rdata to begin with, hex of the fields. Types that are not here begin with some octets.
var seeds = map[uint16][]string{
	dns.TypeA:          {"c0000201"},
	dns.TypeAAAA:       {"20010db8000000000000000000000001"},
	dns.TypeAFSDB:      {"0001" + "016200", "0001c00c"},
	dns.TypeAMTRELAY:   {"0a00", "0a01c0000201", "0a0220010db8000000000000000000000001", "0a03016200", "0a8103", "0a03c00c"},
	dns.TypeAPL:        {"00011803c00002" + "0002200420010db8", "000118830a0001"},
	dns.TypeAVC:        {"0161026263"},
	dns.TypeCAA:        {"00056973737565" + "61"},
	dns.TypeCDNSKEY:    {"0101030d0102"},
	dns.TypeCDS:        {"30390d020102"},
	dns.TypeCERT:       {"00010001050102"},
	dns.TypeCNAME:      {"016200", "c00c", "0162c00c"},
	dns.TypeCSYNC:      {"000000010003" + "000140" + "010101"},
	dns.TypeDHCID:      {"010203"},
	dns.TypeDLV:        {"30390d020102"},
	dns.TypeDNAME:      {"016200", "c00c"},
	dns.TypeDNSKEY:     {"0101030d0102"},
	dns.TypeDS:         {"30390d020102"},
	dns.TypeEID:        {"0102"},
	dns.TypeEUI48:      {"010203040506"},
	dns.TypeEUI64:      {"0102030405060708"},
	dns.TypeGID:        {"00000001"},
	dns.TypeGPOS:       {"013101320133"},
	dns.TypeHINFO:      {"01610162"},
	dns.TypeHIP:        {"02020003" + "0102" + "010203" + "016200" + "c00c", "00000000", "0202000301020102"},
	dns.TypeHTTPS:      {"0001" + "00" + "00010003026832", "0000c00c"},
	dns.TypeIPSECKEY:   {"0a00020102", "0a0102c00002010102", "0a020220010db80000000000000000000000010102", "0a03020162000102", "0a0402", "0a0302c00c0102"},
	dns.TypeISDN:       {"01310132", "0131"},
	dns.TypeKEY:        {"0101030d0102"},
	dns.TypeKX:         {"0001016200"},
	dns.TypeL32:        {"0001c0000201"},
	dns.TypeL64:        {"00010102030405060708"},
	dns.TypeLOC:        {"00121613800000008000000000989680"},
	dns.TypeLP:         {"0001016200"},
	dns.TypeMB:         {"016200"},
	dns.TypeMD:         {"016200"},
	dns.TypeMF:         {"016200"},
	dns.TypeMG:         {"016200"},
	dns.TypeMINFO:      {"016200016300", "c00cc00c"},
	dns.TypeMR:         {"016200"},
	dns.TypeMX:         {"000a016200", "000ac00c", "000a0162c00e"},
	dns.TypeNAPTR:      {"0001000201750161016200", "000100020175016101620162c00c"},
	dns.TypeNID:        {"00010102030405060708"},
	dns.TypeNIMLOC:     {"0102"},
	dns.TypeNINFO:      {"0161026263"},
	dns.TypeNS:         {"016200", "c00c"},
	dns.TypeNSAPPTR:    {"016200"},
	dns.TypeNSEC:       {"016200" + "00014001020102", "c00c000140"},
	dns.TypeNSEC3:      {"01000001" + "02aabb" + "03010203" + "000140", "01000001" + "00" + "0101" + "000140010102"},
	dns.TypeNSEC3PARAM: {"0100000102aabb", "0100000100"},
	dns.TypeNULL:       {"0102"},
	dns.TypeNXNAME:     {"01"},
	dns.TypeNXT:        {"016200000140"},
	dns.TypeOPENPGPKEY: {"0102"},
	dns.TypeOPT: {
		"00030000" + "000a00080102030405060708", "00080007000118" + "00c00002", "0008000800022000" + "20010db8",
		"000800040000" + "0000", "00010012000100010000" + "0102030405060708" + "00000e10", "0002000400000001",
		"000200080000000100000002", "00050002080d" + "0006000102" + "0007000101", "0009000400000001", "00090000",
		"000b0000", "000b00020064", "000c00020000", "000f0003001261", "00040001" + "61", "00120003" + "016200",
		"0013000600000000" + "0001", "fde90002abcd",
	},
	dns.TypePTR:     {"016200", "c00c"},
	dns.TypePX:      {"0001016200016300"},
	dns.TypeRESINFO: {"0161026263"},
	dns.TypeRKEY:    {"0101030d0102"},
	dns.TypeRP:      {"016200016300"},
	dns.TypeRRSIG:   {"00010d0200000e10" + "00000002" + "00000001" + "3039" + "016200" + "0102"},
	dns.TypeRT:      {"0001016200"},
	dns.TypeSIG:     {"00010d0200000e10" + "00000002" + "00000001" + "3039" + "016200" + "0102"},
	dns.TypeSMIMEA:  {"0301010102"},
	dns.TypeSOA:     {"016200016300" + "0000000100000002000000030000000400000005", "c00c0162c00c" + "0000000100000002000000030000000400000005"},
	dns.TypeSPF:     {"0161026263"},
	dns.TypeSRV:     {"000000010050016200", "000000010050c00c"},
	dns.TypeSSHFP:   {"01010102"},
	dns.TypeSVCB: {
		"0001016200" + "0000000400010003" + "00010003026832" + "00020000" + "000300021f90", "0001c00c" + "00040004c0000201",
		"000100" + "000500020102" + "0006001020010db8000000000000000000000001", "000100" + "000700022f71" + "00080000" + "fde9000161",
		"000100" + "0006001000000000000000000000ffffc0000201", "000000",
	},
	dns.TypeTA:     {"30390d020102"},
	dns.TypeTALINK: {"016200016300"},
	dns.TypeTKEY:   {"016200" + "00000001" + "00000002" + "0003" + "0000" + "0002" + "aabb" + "0001" + "cc"},
	dns.TypeTLSA:   {"0301010102"},
	dns.TypeTSIG:   {"016200" + "000000000001" + "012c" + "0002" + "aabb" + "0000" + "0000" + "0001" + "cc", "016200" + "000000000001" + "012c" + "0000" + "0000" + "0000" + "0000"},
	dns.TypeTXT:    {"0161026263", "00"},
	dns.TypeUID:    {"00000001"},
	dns.TypeUINFO:  {"0161"},
	dns.TypeURI:    {"0001000161", "00010001"},
	dns.TypeX25:    {"0131"},
	dns.TypeZONEMD: {"000000010101aabb"},
}

// Line is what is printed for one seed.
type Line struct {
	Type  uint16 `json:"type"`
	Name  string `json:"name"`
	Rdata string `json:"rdata"`
	// A letter for each length from 0 to the whole.
	Cut string `json:"cut"`
	// A letter for each tail.
	More string `json:"more"`
	// For each octet a letter for each value.
	Set string `json:"set"`
}

// Verdict of the library, as a resolver that forwards sees it: '.' decodes, 't' is taken for a truncated message over UDP
// (CoreDNS: shouldTruncateResponse), 'x' is refused.
func verdict(rtype uint16, rdata []byte) byte {
	message, _ := hex.DecodeString(head + "c00c")
	message = binary.BigEndian.AppendUint16(message, rtype)
	message = append(message, 0, 1, 0, 0, 0, 60)
	message = binary.BigEndian.AppendUint16(message, uint16(len(rdata)))
	message = append(message, rdata...)
	behind, _ := hex.DecodeString(next)
	err := new(dns.Msg).Unpack(append(message, behind...))
	if err == nil {
		return '.'
	}
	_, isPlain := err.(*dns.Error)
	if isPlain && errors.Is(err, dns.ErrBuf) || strings.Contains(err.Error(), "overflow") {
		return 't'
	}
	return 'x'
}

// The line of one seed.
func line(rtype uint16, rdata []byte) Line {
	name := dns.TypeToString[rtype]
	if name == "" {
		name = fmt.Sprintf("TYPE%d", rtype)
	}
	line := Line{Type: rtype, Name: name, Rdata: hex.EncodeToString(rdata)}
	for length := 0; length <= len(rdata); length++ {
		line.Cut += string(verdict(rtype, rdata[:length]))
	}
	for _, tail := range tails {
		behind, _ := hex.DecodeString(tail)
		line.More += string(verdict(rtype, append(append([]byte{}, rdata...), behind...)))
	}
	for at := range rdata {
		for _, value := range values {
			changed := append([]byte{}, rdata...)
			changed[at] = value
			line.Set += string(verdict(rtype, changed))
		}
	}
	return line
}

func main() {
	types := []uint16{11, 34, 66, 103, 251, 255, 4660, 65280}
	for rtype := range dns.TypeToRR {
		types = append(types, rtype)
	}
	sort.Slice(types, func(i, j int) bool { return types[i] < types[j] })
	out := json.NewEncoder(os.Stdout)
	for i, rtype := range types {
		if i > 0 && types[i-1] == rtype {
			continue
		}
		list := seeds[rtype]
		if list == nil {
			list = []string{"0102030405"}
		}
		for _, seed := range list {
			rdata, err := hex.DecodeString(seed)
			if err != nil {
				panic(fmt.Sprint(rtype, seed, err))
			}
			if err := out.Encode(line(rtype, rdata)); err != nil {
				panic(err)
			}
		}
	}
}
