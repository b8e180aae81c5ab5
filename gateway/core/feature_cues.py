"""The words that tell what a prompt asks for, by kind, in the languages we know some of.

Plain data for core/features.py. A pair of words is a cue of its own ("business plan"); scripts
without spaces are tokenised by character, so their cues are single characters or pairs of them.
"""
# ruff: noqa: RUF001 - letters of other alphabets are meant

from typing import Final

_WORDS_BY_KIND: dict[str, str] = {
    "small talk": (
        "hi|hello|hey|thanks|thank|thx|bye|goodbye|welcome|cheers|congratulations|lol|ok|okay|"
        "good morning|good night|how are|hola|gracias|buenos|adiós|adios|bonjour|merci|salut|"
        "hallo|danke|tschüss|guten|olá|ola|obrigado|obrigada|ciao|grazie|buongiorno|привет|"
        "спасибо|你 好|谢 谢|こ ん|あ り|안 녕|감 사|cool|nice|great|yes|no|sure|morning|"
        "night|joke|haha"
    ),
    "a fact": (
        "what|who|when|where|which|whose|whats|qué|que|quién|quien|cuándo|dónde|cuál|quel|"
        "quelle|qui|quand|où|was|wer|wann|wo|welche|qual|quem|quando|onde|chi|dove|что|кто|"
        "когда|где|什 么|谁|何|누 구|무 엇"
    ),
    "a how or why": (
        "how|why|cómo|como|por qué|comment|pourquoi|wie|warum|porque|por que|come|perché|как|"
        "почему|如 何|为 什|な ぜ|どう|왜"
    ),
    "rewording or translation": (
        "translate|translation|rephrase|rewrite|paraphrase|spell|spelling|grammar|proofread|"
        "correct|synonym|synonyms|antonym|capitalize|uppercase|lowercase|traduce|traduire|"
        "traduis|übersetze|übersetzen|traduza|traduci|переведи|翻 译|翻 訳|번 역|plural|"
        "rhymes|pronounce"
    ),
    "extraction or sorting": (
        "extract|classify|label|list|name|count|sort|alphabetical|identify|find|convert|"
        "format|sentiment|category|keywords|extrae|extraire|extrahiere|email address|"
        "phone number|positive|negative|reverse|fill|round|json"
    ),
    "an explanation": (
        "explain|describe|define|meaning|difference|overview|introduction|basics|concept|"
        "understand|explica|explique|expliquer|erkläre|erklären|spiega|explicar|объясни|解 释|"
        "解 釈|説 明|설 명|work|works|teach|tutorial|example"
    ),
    "a summary": (
        "summarize|summarise|summary|summarization|tldr|tl dr|shorten|condense|resume|resumen|"
        "résume|zusammenfassen|fasse|riassumi|resuma|总 结|要 約|요 약|main points|key points"
    ),
    "a piece of writing": (
        "poem|story|haiku|song|lyrics|essay|joke|limerick|slogan|caption|tweet|tagline|letter|"
        "email|poema|poème|gedicht|cuento|blog|speech|toast|birthday|novel|screenplay|dialogue"
    ),
    "a proof or derivation": (
        "prove|proof|theorem|lemma|derive|derivation|rigorous|rigorously|induction|"
        "contradiction|corollary|conjecture|demuestra|démontrer|démontre|beweise|beweis|prova|"
        "dimostra|докажи|证 明|証 明|증 명|converges|convergence|bijection|isomorphic|"
        "topology|manifold|eigenvalue|compact"
    ),
    "a computation": (
        "calculate|compute|solve|integral|derivative|equation|probability|sum|product|percent|"
        "percentage|average|maximum|minimum|evaluate|simplify|factor|polynomial|matrix|square|"
        "plus|minus|times|divided|calcula|calcule|berechne|calcola|посчитай|计 算|計 算|many|"
        "total|cost"
    ),
    "code or software": (
        "code|function|python|javascript|java|typescript|rust|golang|sql|regex|html|css|"
        "script|program|implement|implementation|algorithm|class|api|bash|react|docker|query|"
        "programa|código|compile|library|method|test|tests"
    ),
    "finding a fault": (
        "debug|bug|error|exception|traceback|stacktrace|fails|failing|crash|deadlock|leak|"
        "race condition|segfault|refactor|fehler|erreur|undefined"
    ),
    "system design": (
        "design|architecture|architect|distributed|scalable|scalability|microservices|fault|"
        "tolerance|consistency|replication|sharding|throughput|latency|concurrent|concurrency|"
        "migration|migrate|kubernetes|infrastructure|compiler|consensus|transactional|"
        "system design|diseña|diseñar|concevoir|conçois|entwirf|entwerfe|progetta|projete|"
        "设 计|設 計|설 계|production|security|threat model|exactly once|real time|"
        "multi region|schema"
    ),
    "a plan or strategy": (
        "plan|strategy|strategic|business|business plan|roadmap|marketing|startup|launch|"
        "budget|forecast|revenue|pricing|investors|competitive|go to|proposal|policy|"
        "curriculum|syllabus|financial|funding|operations|risks|plan de|plano de|estrategia|"
        "stratégie|strategie|geschäftsplan|piano|計 画|计 划|事 業|商 业|사 업|stakeholders|"
        "milestones|kpis|projections"
    ),
    "analysis": (
        "analyze|analyse|analysis|evaluate|assess|assessment|critically|critique|implications|"
        "trade offs|tradeoffs|trade off|pros and|argue|arguments|analiza|analizar|analysiere|"
        "analyser|analizza|analise|проанализируй|分 析|분 석|consequences|impact|examine|"
        "interpret|justify"
    ),
    "a comparison": (
        "compare|comparison|comparing|versus|vs|contrast|differences|compara|comparer|"
        "vergleiche|confronta|сравни|比 较|比 較|비 교|alternatives|benchmark|rank|better"
    ),
    "research": (
        "research|investigate|investigation|survey|literature|literature review|state of|"
        "systematic|market|latest|recent|trends|report|studies|landscape|in depth|deep dive|"
        "investiga|investigación|recherche|recherchiere|recherchez|ricerca|pesquise|pesquisa|"
        "исследуй|исследование|研 究|调 研|调 查|調 査|연 구|조 사|findings|evidence|"
        "whitepaper|current|due diligence"
    ),
    "sources": (
        "cite|cited|citing|citations|citation|sources|source|references|reference|"
        "bibliography|peer reviewed|links|urls|papers|publications|fuentes|quellen|fonti|"
        "fontes|источники|来 源|引 用|出 典|출 처|publicly available|meta analysis|datasets|"
        "data from"
    ),
    "several deliverables": (
        "including|include|includes|also|then|each|respectively|comprehensive|detailed|"
        "thorough|thoroughly|complete|full|extensive|multiple|sections|steps|step by|finally|"
        "deliverables|plus|along with|as well|covering|cover|detallado|détaillé|ausführlich|"
        "ausführlichen|dettagliato|подробный|详 细|詳 細|end to"
    ),
    "brevity": (
        "briefly|brief|short|one word|one sentence|quick|quickly|simple|just|only|simply|"
        "concise|in short|single|kurz|breve|bref|corto|eli5|five words|words or"
    ),
    "a supposed case": (
        "imagine|suppose|assume|scenario|hypothetical|if|given|consider|let|would|supón|"
        "supposons|angenommen|假 设|should|could"
    ),
    "expert fields": (
        "legal|contract|liability|clinical|patient|diagnosis|treatment|pharmacology|tax|"
        "regulation|regulatory|compliance|gdpr|patent|litigation|quantum|thermodynamics|"
        "molecular|genome|protein|econometric|epistemology|jurisdiction|oncology|"
        "constitutional|relativity|neural|cryptographic|bayesian|stochastic|symptoms|statute"
    ),
    "periods and places": (
        "between|since|until|years|decade|quarter|century|global|europe|european|countries|"
        "country|industry|industries|sector|regional|worldwide|companies|vendors|players|"
        "forecasts|growth|share|adoption|over the"
    ),
}

_LANGUAGE_WORDS = (
    "as au auf avec bir bu che com con da dans das del della dem den der des di die do dos "
    "du e een ein eine einen el em en eres es est está et für gli het ich ik il im ist "
    "için je jest las le les lo los ma meu mi mir mit mon na nel nicht nie niet non nous "
    "não op os para per por pour sie się sono sont su sur tu um uma un una und une unos "
    "van ve você von voor vous w wie y z zu è é в для и из как мне на не по с ты что это я "
)
LANGUAGE_WORDS = frozenset(_LANGUAGE_WORDS.split())
"""Everyday words of other languages that are no English words."""

CUE_NAMES: tuple[str, ...] = tuple(_WORDS_BY_KIND)
"""Each kind's name, as it reads in a decision's reasons."""

CUES: Final = {
    word: kind for kind, words in enumerate(_WORDS_BY_KIND.values()) for word in words.split("|")
}
"""A term and the number of its kind; a word under two kinds counts for the later one."""
