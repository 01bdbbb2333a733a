from tools.documents import main

main()
